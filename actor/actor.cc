#include "actor/actor.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "actor/ask_again.h"
#include "actor/batch_scorer.h"
#include "gflownet/lap.h"
#include "runtime/refusal.h"
#include "runtime/trajectory_codec.h"

namespace anabranch {

absl::StatusOr<std::unique_ptr<Actor>> Actor::Create(const ActorOptions& options,
                                                     const Environment& environment, Model model,
                                                     const RewardShaping& shaping,
                                                     RewardClient& reward, WeightSource& weights,
                                                     std::unique_ptr<InsertStream> replay,
                                                     Log& log) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  auto oracle = DescribeOracle(options, environment.spec(), shaping, reward);
  if (!oracle.ok()) return oracle.status();
  return absl::WrapUnique(new Actor(options, environment, std::move(model), shaping, reward,
                                    weights, std::move(replay), *std::move(oracle), log));
}

Actor::Actor(const ActorOptions& options, const Environment& environment, Model model,
             const RewardShaping& shaping, RewardClient& reward, WeightSource& weights,
             std::unique_ptr<InsertStream> replay, Oracle oracle, Log& log)
    : options_(options),
      shaping_(shaping),
      reward_(reward),
      oracle_(
          oracle,
          [this, &environment] {
            return DescribeOracle(options_, environment.spec(), shaping_, reward_);
          },
          options.allow_fingerprint_change, log),
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
  auto task = Evaluate();
  if (!task.ok()) return task.status();
  lap.Add(next_times_.reward);
  auto finished = Finish(**task);
  if (!finished.ok()) return finished.status();
  lap.Add(next_times_.encode);
  if (finished->positions.empty()) {  // All are left out.
    ShareState();
    return absl::OkStatus();
  }
  ++next_.sequence;
  ShareState();
  status = Insert(std::move(finished->batch));
  lap.Add(next_times_.insert);
  return status;
}

absl::StatusOr<std::unique_ptr<ScoreTask>> Actor::Evaluate() {
  for (int change = 0;; ++change) {
    const std::shared_ptr<const Oracle> oracle = oracle_.current();
    batch_.header.reward_fingerprint = oracle->header.reward_fingerprint;
    ScoreTaskOptions options = OptionsFor(*oracle, {});
    options.max_object_tries = 1;
    if (change > 0) options.request_prefix = absl::StrCat("renewed-", change, "-");
    auto task = std::make_unique<ScoreTask>(batch_.header, batch_.columns.trajectories, options);
    absl::Status status = Ask(*task);
    if (status.ok()) return task;
    if (!IsFingerprintChange(status)) return status;
    status = oracle_.Renew(batch_.header.reward_fingerprint, status);
    if (!status.ok()) return status;
  }
}

absl::Status Actor::Ask(ScoreTask& task) {
  uint32_t asked_again = 0;
  while (!task.done()) {
    if (task.round_over()) {
      const absl::Duration wait = AskAgainAfter(task.retry_after(), asked_again++);
      absl::MutexLock lock(&mu_);
      if (mu_.AwaitWithTimeout(absl::Condition(&cancelled_), wait)) {
        return absl::CancelledError("the actor ends, and does not wait for pending objects");
      }
      task.NextRound();
      continue;
    }
    auto response = reward_.Evaluate(task.request());
    if (!response.ok()) return response.status();
    if (absl::Status status = task.Take(*std::move(response)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<FinishedBatch> Actor::Finish(ScoreTask& task) {
  next_.asked += task.counts().total();
  next_.Add(task.counts());
  next_.non_finite += task.non_finite();
  {
    absl::MutexLock lock(&mu_);
    budget_spent_ = task.counts().budget_exhausted > 0;
    if (task.budget().has_value()) budget_ = *task.budget();
  }
  auto finished = FinishBatch(task, batch_.header, shaping_, batch_.columns);
  if (finished.ok()) next_.rejected += finished->rejected;
  return finished;
}

absl::Status Actor::Insert(v1::TrajectoryBatch columns) {
  v1::InsertBatch batch;
  batch.set_sequence(next_.sequence);
  *batch.mutable_batch() = std::move(columns);
  const int64_t trajectories = batch.batch().lengths_size();
  auto acknowledgement = replay_->Insert(std::move(batch));
  if (!acknowledgement.ok()) return acknowledgement.status();
  if (acknowledgement->result() == v1::INSERT_RESULT_REFUSED) {
    return RefusalStatus(acknowledgement->refusal());
  }
  acknowledged_.fetch_add(trajectories, std::memory_order_relaxed);
  return absl::OkStatus();
}

void Actor::Cancel() {
  absl::MutexLock lock(&mu_);
  cancelled_ = true;
}

bool Actor::budget_spent() const {
  absl::MutexLock lock(&mu_);
  return budget_spent_;
}

v1::RewardBudget Actor::budget() const {
  absl::MutexLock lock(&mu_);
  return budget_;
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
    if (budget_spent()) break;
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
