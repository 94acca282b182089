#include "actor/actor.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "actor/score_request.h"
#include "gflownet/lap.h"
#include "runtime/components/evaluated_trajectories.h"
#include "runtime/refusal.h"

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

absl::StatusOr<std::unique_ptr<Actor>> Actor::Create(const ActorOptions& options,
                                                     const Environment& environment, Model model,
                                                     const RewardShaping& shaping,
                                                     RewardClient& reward, WeightSource& weights,
                                                     std::unique_ptr<InsertStream> replay) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  auto actor = absl::WrapUnique(new Actor(options, environment, std::move(model), shaping, reward,
                                          weights, std::move(replay)));
  if (absl::Status status = actor->Describe(); !status.ok()) return status;
  return actor;
}

Actor::Actor(const ActorOptions& options, const Environment& environment, Model model,
             const RewardShaping& shaping, RewardClient& reward, WeightSource& weights,
             std::unique_ptr<InsertStream> replay)
    : options_(options),
      environment_(environment),
      model_(std::move(model)),
      schema_(model_.parameters->Schema()),
      shaping_(shaping),
      reward_(reward),
      weights_(weights),
      replay_(std::move(replay)),
      random_(options.seed, options.stream),
      rollout_(environment, *model_.policy) {}

absl::Status Actor::Describe() {
  v1::DescribeRequest request;
  request.set_run_id(options_.identity.run_id);
  request.set_environment_fingerprint(options_.identity.environment_fingerprint);
  auto oracle = reward_.Describe(request);
  if (!oracle.ok()) return oracle.status();
  const auto& formats = oracle->accepted_formats();
  const std::string& format = environment_.spec().object_format;
  if (std::find(formats.begin(), formats.end(), format) == formats.end()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the oracle '", oracle->name(), "' accepts ", absl::StrJoin(formats, ", "),
                     ", and ", environment_.spec().fingerprint, " makes ", format));
  }
  header_.run_id = options_.identity.run_id;
  header_.environment_fingerprint = options_.identity.environment_fingerprint;
  header_.object_format = format;
  for (const v1::ObjectiveDescription& objective : oracle->objectives()) {
    header_.objectives.push_back(objective.name());
  }
  header_.reward_fingerprint = oracle->fingerprint();
  header_.reward_shaping_hash = shaping_.hash();
  header_.source.set_client_incarnation(options_.identity.incarnation);
  header_.source.set_actor_name(options_.name);
  return absl::OkStatus();
}

absl::Status Actor::CheckSnapshot(const WeightSnapshot& snapshot) const {
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

absl::Status Actor::TakeNewestWeights() {
  auto newest = weights_.Newest();
  if (!newest.ok()) return newest.status();
  if (*newest == nullptr) {
    return absl::UnavailableError("no snapshot of the weights has been published yet");
  }
  const WeightSnapshot& snapshot = **newest;
  const v1::PolicyVersion& version = snapshot.manifest.policy();
  if (version.generation() == header_.policy.generation() &&
      version.version() == header_.policy.version()) {
    return absl::OkStatus();
  }
  if (absl::Status status = CheckSnapshot(snapshot); !status.ok()) return status;
  std::memcpy(model_.parameters->values().data_ptr<float>(), snapshot.values.data(),
              snapshot.values.size() * sizeof(float));
  header_.policy = version;
  return absl::OkStatus();
}

absl::Status Actor::RunOnce() {
  Lap lap;
  if (absl::Status status = TakeNewestWeights(); !status.ok()) return status;
  lap.Add(next_times_.weights);
  RolloutOptions rollout;
  rollout.trajectories = options_.rollout_trajectories;
  rollout.exploration = options_.exploration.At(next_.trajectories);
  absl::Status status = rollout_.Forward(rollout, random_, batch_.trajectories);
  if (!status.ok()) return status;
  header_.first_trajectory_number = static_cast<uint64_t>(next_.trajectories);
  next_.trajectories += batch_.trajectories.size();
  next_.transitions += static_cast<int64_t>(batch_.trajectories.actions.size());
  next_.random_position = random_.position();
  next_times_.policy = rollout_.times().policy;
  next_times_.environment = rollout_.times().environment;
  lap = Lap();
  if (status = Evaluate(); !status.ok()) return status;
  lap.Add(next_times_.reward);
  if (batch_.trajectories.size() == 0) {  // All are left out.
    ShareState();
    return absl::OkStatus();
  }
  auto batch = Encode();
  if (!batch.ok()) return batch.status();
  lap.Add(next_times_.encode);
  ShareState();
  status = Insert(*std::move(batch));
  lap.Add(next_times_.insert);
  return status;
}

absl::Status Actor::Evaluate() {
  auto response = reward_.Evaluate(MakeScoreRequest(header_, batch_.trajectories));
  if (!response.ok()) return response.status();
  next_.non_finite += FailNonFinite(*response);
  auto rewards = DecodeRewards(*response, batch_.trajectories.size(), header_.objectives);
  if (!rewards.ok()) return rewards.status();
  batch_.rewards = *std::move(rewards);
  if (absl::Status status = shaping_.Shape(batch_.rewards, shaped_); !status.ok()) return status;
  batch_.log_rewards = shaped_.log_rewards;
  next_.rejected += KeepTrajectories(shaped_.used, batch_);
  return absl::OkStatus();
}

absl::StatusOr<v1::InsertBatch> Actor::Encode() {
  auto columns = EncodeTrajectories(batch_, header_);
  if (!columns.ok()) return columns.status();
  v1::InsertBatch batch;
  batch.set_sequence(++next_.sequence);
  *batch.mutable_batch() = *std::move(columns);
  return batch;
}

absl::Status Actor::Insert(v1::InsertBatch batch) {
  auto acknowledgement = replay_->Insert(std::move(batch));
  if (!acknowledgement.ok()) return acknowledgement.status();
  if (acknowledgement->result() == v1::INSERT_RESULT_REFUSED) {
    return RefusalStatus(acknowledgement->refusal());
  }
  acknowledged_.fetch_add(batch_.trajectories.size(), std::memory_order_relaxed);
  return absl::OkStatus();
}

void Actor::ShareState() {
  absl::MutexLock lock(&mu_);
  state_ = next_;
  times_ = next_times_;
}

absl::Status Actor::Run(absl::FunctionRef<bool()> more) {
  while (more()) {
    absl::Status status = RunOnce();
    if (absl::IsCancelled(status)) return absl::OkStatus();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

ActorState Actor::state() const {
  absl::MutexLock lock(&mu_);
  return state_;
}

ActorTimes Actor::times() const {
  absl::MutexLock lock(&mu_);
  return times_;
}

void Actor::Restore(const ActorState& state) {
  next_ = state;
  random_.SeekTo(state.random_position);
  absl::MutexLock lock(&mu_);
  state_ = state;
}

}  // namespace anabranch
