#include "cli/train/in_process_channels.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace anabranch {

absl::StatusOr<std::shared_ptr<const WeightSnapshot>> InProcessWeights::Newest() {
  absl::MutexLock lock(&mu_);
  return newest_;
}

absl::Status InProcessWeights::Publish(std::shared_ptr<const WeightSnapshot> snapshot) {
  absl::MutexLock lock(&mu_);
  if (newest_ != nullptr) {
    const v1::PolicyVersion& held = newest_->manifest.policy();
    const v1::PolicyVersion& offered = snapshot->manifest.policy();
    const bool newer =
        offered.generation() > held.generation() ||
        (offered.generation() == held.generation() && offered.version() > held.version());
    if (!newer) {
      return absl::FailedPreconditionError(absl::StrCat(
          "STALE_GENERATION: snapshot ", offered.generation(), ".", offered.version(),
          " is not newer than ", held.generation(), ".", held.version(), ", which is published"));
    }
  }
  newest_.swap(snapshot);  // The old one is freed after the lock: it is declared before it.
  return absl::OkStatus();
}

}  // namespace anabranch
