#include "actor/actor_options.h"

#include "absl/strings/str_cat.h"

namespace anabranch {

absl::Status ActorOptions::Validate() const {
  if (identity.run_id.empty() || identity.environment_fingerprint.empty()) {
    return absl::InvalidArgumentError("an actor needs run_id and environment_fingerprint");
  }
  if (identity.incarnation == 0) {
    return absl::InvalidArgumentError("an actor's incarnation is 0; draw a number");
  }
  if (rollout_trajectories < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("actor.rollout_trajectories is ", rollout_trajectories, "; give at least 1"));
  }
  return absl::OkStatus();
}

void ActorState::Add(const ObjectCounts& counts) {
  scored += counts.scored;
  invalid += counts.invalid;
  failed += counts.failed;
  budget_exhausted += counts.budget_exhausted;
}

}  // namespace anabranch
