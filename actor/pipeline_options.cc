#include "actor/pipeline_options.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace anabranch {

absl::Status PipelineOptions::Validate() const {
  if (max_pending_batches < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("actor.max_pending_batches is ", max_pending_batches, "; give at least 1"));
  }
  if (max_object_tries < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_object_tries is ", max_object_tries, "; give at least 1"));
  }
  if (!std::isfinite(samples_per_insert) || samples_per_insert <= 0) {
    return absl::InvalidArgumentError(absl::StrCat("learner.samples_per_insert is ",
                                                   samples_per_insert, "; give a number above 0"));
  }
  if (weights_poll <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        absl::StrCat("weights_poll is ", absl::FormatDuration(weights_poll), ", must be above 0"));
  }
  if (budget_poll <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        absl::StrCat("budget_poll is ", absl::FormatDuration(budget_poll), ", must be above 0"));
  }
  if (pending != nullptr && !open_inserts) {
    return absl::InvalidArgumentError("pending trajectories need open_inserts to end up in replay");
  }
  return backoff.Validate();
}

}  // namespace anabranch
