#include "replay/replay_table_options.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace anabranch {
namespace {

constexpr double kShareTolerance = 1e-9;  // Shares of a mixture are decimal fractions.

}  // namespace

absl::Status ReplayTableOptions::Validate() const {
  if (name.empty()) return absl::InvalidArgumentError("replay table: name: is empty");
  const std::string prefix = absl::StrCat("replay table \"", name, "\": ");
  if (max_items < 1 || max_items > UINT32_MAX - 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(prefix, "max_items: is ", max_items, "; 1 to 4294967294 is possible"));
  }
  if (max_bytes < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(prefix, "max_bytes: is ", max_bytes, "; 0 means no limit"));
  }
  if (max_times_sampled < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(prefix, "max_times_sampled: is ", max_times_sampled, "; 0 means no limit"));
  }
  if (!std::isfinite(priority_exponent) || priority_exponent < 0) {
    return absl::InvalidArgumentError(absl::StrCat(prefix, "priority_exponent: is ",
                                                   priority_exponent,
                                                   "; a finite number of at least 0 is needed"));
  }
  if (absl::Status status = pacing.Validate(); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(prefix, status.message()));
  }
  if (max_times_sampled > 0 &&
      pacing.samples_per_insert > static_cast<double>(max_times_sampled) * (1 + kShareTolerance)) {
    return absl::InvalidArgumentError(absl::StrCat(
        prefix, "samples_per_insert: is ", pacing.samples_per_insert, ", but an item goes after ",
        max_times_sampled, " samples; raise max_times_sampled or set it to 0 (no limit)"));
  }
  if (pacing.min_size_to_sample > max_items) {
    return absl::InvalidArgumentError(absl::StrCat(prefix, "min_size_to_sample: is ",
                                                   pacing.min_size_to_sample,
                                                   ", more than max_items (", max_items, ")"));
  }
  return absl::OkStatus();
}

absl::Status ReplayTableOptions::CheckFits(const Chunk& chunk) const {
  if (chunk.rows() > max_items) {
    return absl::InvalidArgumentError(absl::StrCat("lengths: ", chunk.rows(),
                                                   " trajectories are more than table \"", name,
                                                   "\" holds (max_items = ", max_items, ")"));
  }
  if (max_bytes > 0 && chunk.bytes() > max_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("batch: its ", chunk.bytes(),
                                                   " bytes are more than table \"", name,
                                                   "\" holds (max_bytes = ", max_bytes, ")"));
  }
  return absl::OkStatus();
}

}  // namespace anabranch
