#include "actor/roller.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace anabranch {

Roller::Roller(const ActorOptions& options, const Environment& environment, Model model,
               WeightSource& weights, BatchHeader header)
    : options_(options),
      model_(std::move(model)),
      schema_(model_.parameters->Schema()),
      weights_(weights),
      header_(std::move(header)),
      random_(options.seed, options.stream),
      rollout_(environment, *model_.policy) {}

absl::Status Roller::CheckSnapshot(const WeightSnapshot& snapshot) const {
  auto mismatch = [](absl::string_view what, absl::string_view theirs, absl::string_view ours) {
    return absl::FailedPreconditionError(absl::StrCat("a snapshot of the weights has ", what, " '",
                                                      theirs, "', this actor '", ours, "'"));
  };
  const v1::SnapshotManifest& manifest = snapshot.manifest;
  if (manifest.run_id() != options_.identity.run_id) {
    return mismatch("run_id", manifest.run_id(), options_.identity.run_id);
  }
  if (manifest.environment_fingerprint() != options_.identity.environment_fingerprint) {
    return mismatch("environment_fingerprint", manifest.environment_fingerprint(),
                    options_.identity.environment_fingerprint);
  }
  if (snapshot.schema != schema_) return mismatch("parameters", snapshot.schema, schema_);
  if (static_cast<int64_t>(snapshot.values.size()) != model_.parameters->values().numel()) {
    return mismatch("size", absl::StrCat(snapshot.values.size()),
                    absl::StrCat(model_.parameters->values().numel()));
  }
  return absl::OkStatus();
}

bool Roller::IsNewer(const v1::PolicyVersion& version) const {
  if (!has_weights_) return true;
  const v1::PolicyVersion& held = header_.policy;
  if (version.generation() != held.generation()) return version.generation() > held.generation();
  return version.version() > held.version();
}

absl::Status Roller::TakeNewestWeights() {
  auto newest = weights_.Newest();
  if (!newest.ok()) return newest.status();
  if (*newest == nullptr) {
    return absl::UnavailableError("no snapshot of the weights has been published yet");
  }
  const WeightSnapshot& snapshot = **newest;
  if (!IsNewer(snapshot.manifest.policy())) return absl::OkStatus();
  if (absl::Status status = CheckSnapshot(snapshot); !status.ok()) return status;
  std::memcpy(model_.parameters->values().data_ptr<float>(), snapshot.values.data(),
              snapshot.values.size() * sizeof(float));
  header_.policy = snapshot.manifest.policy();
  trained_trajectories_ = static_cast<int64_t>(snapshot.manifest.trajectories());
  has_weights_ = true;
  return absl::OkStatus();
}

absl::Status Roller::RollOut(int64_t annealing, RolledBatch& out) {
  RolloutOptions rollout;
  rollout.trajectories = options_.rollout_trajectories;
  rollout.exploration = options_.exploration.At(annealing);
  Trajectories& trajectories = out.columns.trajectories;
  if (absl::Status status = rollout_.Forward(rollout, random_, trajectories); !status.ok()) {
    return status;
  }
  header_.first_trajectory_number = static_cast<uint64_t>(trajectories_);
  out.header = header_;
  trajectories_ += trajectories.size();
  transitions_ += static_cast<int64_t>(trajectories.actions.size());
  return absl::OkStatus();
}

void Roller::Restore(const ActorState& state) {
  trajectories_ = state.trajectories;
  transitions_ = state.transitions;
  random_.SeekTo(state.random_position);
}

}  // namespace anabranch
