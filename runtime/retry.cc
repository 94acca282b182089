#include "runtime/retry.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "runtime/error_reason.h"

namespace anabranch {
namespace {

// Streams of one seed never overlap: the jitter has its own.
constexpr uint64_t kJitterStream = 0x6a69747465720000;

}  // namespace

bool IsRetryable(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kDeadlineExceeded:
      return true;
    case absl::StatusCode::kResourceExhausted: {
      const std::string reason = ReasonOf(status);
      return reason == kReasonOverloaded || reason == kReasonDiskFull;
    }
    default:
      return false;
  }
}

absl::Status BackoffOptions::Validate() const {
  if (initial <= absl::ZeroDuration() || initial == absl::InfiniteDuration()) {
    return absl::InvalidArgumentError(
        absl::StrCat("initial is ", absl::FormatDuration(initial),
                     ", must be above 0 and finite; without a wait a retry is a flood"));
  }
  if (maximum < initial || maximum == absl::InfiniteDuration()) {
    return absl::InvalidArgumentError(absl::StrCat("maximum is ", absl::FormatDuration(maximum),
                                                   ", must be finite and at least initial, ",
                                                   absl::FormatDuration(initial)));
  }
  if (!std::isfinite(multiplier) || multiplier < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("multiplier is ", multiplier, ", must be finite and at least 1"));
  }
  if (!(jitter >= 0 && jitter <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("jitter is ", jitter, ", must be between 0 and 1"));
  }
  return absl::OkStatus();
}

Backoff::Backoff(const BackoffOptions& options, uint64_t seed)
    : options_(options), random_(seed, kJitterStream) {}

absl::Duration Backoff::Next() {
  // In the logarithm's domain nothing overflows, however many tries there were.
  const double limit = absl::FDivDuration(options_.maximum, options_.initial);
  const double exponent = static_cast<double>(tries_) * std::log(options_.multiplier);
  const double growth = exponent >= std::log(limit) ? limit : std::exp(exponent);
  ++tries_;
  const double share = 1 - options_.jitter * random_.NextUniformDouble();
  return std::min(options_.maximum, options_.initial * growth) * share;
}

}  // namespace anabranch
