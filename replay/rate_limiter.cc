#include "replay/rate_limiter.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace anabranch {

absl::Status RateLimiterOptions::Validate() const {
  if (!std::isfinite(samples_per_insert) || samples_per_insert < 0) {
    return absl::InvalidArgumentError(absl::StrCat("samples_per_insert: is ", samples_per_insert,
                                                   "; a finite number of at least 0 is needed"));
  }
  if (min_size_to_sample < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("min_size_to_sample: is ", min_size_to_sample, "; at least 1 is needed"));
  }
  if (!std::isfinite(error_buffer) || error_buffer < 0) {
    return absl::InvalidArgumentError(absl::StrCat("error_buffer: is ", error_buffer,
                                                   "; a finite number of at least 0 is needed"));
  }
  const double least = std::max(1.0, samples_per_insert);
  if (samples_per_insert > 0 && error_buffer < least) {
    return absl::InvalidArgumentError(
        absl::StrCat("error_buffer: is ", error_buffer, "; at least ", least,
                     " is needed, or neither an insert nor a sample could be the first"));
  }
  return absl::OkStatus();
}

bool RateLimiter::CanInsert(int64_t n) const {
  if (options_.samples_per_insert == 0) return true;
  return Deficit(inserts_ + n, samples_) <= SetPoint() + options_.error_buffer;
}

bool RateLimiter::CanSample(int64_t n, int64_t size) const {
  if (size < options_.min_size_to_sample) return false;
  if (options_.samples_per_insert == 0) return true;
  return Deficit(inserts_, samples_ + n) >= SetPoint() - options_.error_buffer;
}

}  // namespace anabranch
