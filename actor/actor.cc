#include "actor/actor.h"

#include <utility>

#include "absl/memory/memory.h"
#include "actor/finished_batch.h"
#include "gflownet/lap.h"
#include "runtime/refusal.h"
#include "runtime/trajectory_codec.h"

namespace anabranch {

absl::StatusOr<std::unique_ptr<Actor>> Actor::Create(const ActorOptions& options,
                                                     const Environment& environment, Model model,
                                                     const RewardShaping& shaping,
                                                     RewardClient& reward, WeightSource& weights,
                                                     std::unique_ptr<InsertStream> replay) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  auto oracle = DescribeOracle(options, environment.spec(), shaping, reward);
  if (!oracle.ok()) return oracle.status();
  return absl::WrapUnique(new Actor(options, environment, std::move(model), shaping, reward,
                                    weights, std::move(replay), *std::move(oracle)));
}

Actor::Actor(const ActorOptions& options, const Environment& environment, Model model,
             const RewardShaping& shaping, RewardClient& reward, WeightSource& weights,
             std::unique_ptr<InsertStream> replay, Oracle oracle)
    : shaping_(shaping),
      reward_(reward),
      scoring_{.max_batch_objects = oracle.max_batch_objects},
      replay_(std::move(replay)),
      roller_(options, environment, std::move(model), weights, std::move(oracle.header)) {}

absl::Status Actor::RunOnce() {
  Lap lap;
  absl::Status status = roller_.TakeNewestWeights();
  if (!status.ok()) return status;
  lap.Add(next_times_.weights);
  status = roller_.RollOut(roller_.trajectories(), batch_);
  if (!status.ok()) return status;
  next_.trajectories = roller_.trajectories();
  next_.transitions = roller_.transitions();
  next_.random_position = roller_.random_position();
  next_times_.policy = roller_.times().policy;
  next_times_.environment = roller_.times().environment;
  lap = Lap();
  if (status = Evaluate(); !status.ok()) return status;
  lap.Add(next_times_.reward);
  if (batch_.columns.trajectories.size() == 0) {  // All are left out.
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
  ScoreTask task(batch_.header, batch_.columns.trajectories, scoring_);
  while (!task.round_over()) {
    auto response = reward_.Evaluate(task.request());
    if (!response.ok()) return response.status();
    if (absl::Status status = task.Take(*std::move(response)); !status.ok()) return status;
  }
  task.GiveUp("has no answer, and this actor asks once");
  next_.non_finite += task.non_finite();
  const auto rejected = TakeRewards(std::move(task.rewards()), shaping_, batch_.columns);
  if (!rejected.ok()) return rejected.status();
  next_.rejected += *rejected;
  return absl::OkStatus();
}

absl::StatusOr<v1::InsertBatch> Actor::Encode() {
  auto columns = EncodeTrajectories(batch_.columns, batch_.header);
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
  acknowledged_.fetch_add(batch_.columns.trajectories.size(), std::memory_order_relaxed);
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
  roller_.Restore(state);
  absl::MutexLock lock(&mu_);
  state_ = state;
}

}  // namespace anabranch
