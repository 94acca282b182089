#include "actor/actor_pipeline.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gflownet/lap.h"
#include "runtime/retry.h"

namespace anabranch {
namespace {

bool IsPowerOfTwo(int64_t n) { return (n & (n - 1)) == 0; }

std::string ToText(const v1::PolicyVersion& version) {
  return absl::StrCat(version.generation(), ".", version.version());
}

bool HasBudget(const v1::DescribeResponse& description) {
  const v1::RewardBudget& budget = description.budget();
  return !(budget.has_evaluations_left() && budget.evaluations_left() == 0) &&
         !(budget.has_cost_left() && budget.cost_left() <= 0);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ActorPipeline>> ActorPipeline::Create(
    const ActorOptions& actor, PipelineOptions options, const Environment& environment, Model model,
    const RewardShaping& shaping, Oracle oracle, RewardClient& reward, WeightSource& weights,
    std::unique_ptr<InsertStream> replay, Log& log) {
  if (absl::Status status = actor.Validate(); !status.ok()) return status;
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  return absl::WrapUnique(new ActorPipeline(actor, std::move(options), environment,
                                            std::move(model), shaping, std::move(oracle), reward,
                                            weights, std::move(replay), log));
}

ActorPipeline::ActorPipeline(const ActorOptions& actor, PipelineOptions options,
                             const Environment& environment, Model model,
                             const RewardShaping& shaping, Oracle oracle, RewardClient& reward,
                             WeightSource& weights, std::unique_ptr<InsertStream> replay, Log& log)
    : actor_(actor),
      options_(std::move(options)),
      shaping_(shaping),
      reward_(reward),
      replay_(std::move(replay)),
      log_(log),
      oracle_(
          oracle,
          [this, &environment] {
            return DescribeOracle(actor_, environment.spec(), shaping_, reward_);
          },
          actor.allow_fingerprint_change, log),
      collector_(MakeCollector(oracle.header)),
      roller_(actor, environment, std::move(model), weights, std::move(oracle.header)) {
  if (options_.pending != nullptr) state_.asked = options_.pending->size();
}

ActorPipeline::~ActorPipeline() { Cancel(); }

absl::Status ActorPipeline::Run() {
  std::vector<std::thread> threads;
  threads.emplace_back([this] { InsertLoop(); });
  if (collector_ != nullptr) {
    threads.emplace_back([this] {
      if (absl::Status status = collector_->Run(); !status.ok()) Fail(status);
    });
  }
  Roll();
  AwaitFlushed();
  for (std::thread& asker : askers_) asker.join();
  for (std::thread& thread : threads) thread.join();
  absl::MutexLock lock(&mu_);
  return absl::IsCancelled(status_) ? absl::OkStatus() : status_;
}

void ActorPipeline::Stop(absl::Duration grace) {
  absl::MutexLock lock(&mu_);
  stopping_ = true;
  flush_until_ = std::min(flush_until_, absl::Now() + grace);
  changed_.SignalAll();
}

void ActorPipeline::Cancel() { Fail(absl::CancelledError("the actor ends")); }

void ActorPipeline::Fail(const absl::Status& status) {
  {
    absl::MutexLock lock(&mu_);
    if (std::exchange(over_, true)) return;
    status_ = status;
    changed_.SignalAll();
  }
  replay_->Cancel();
  if (collector_ != nullptr) collector_->Cancel();
  if (options_.cancel_reward) options_.cancel_reward();
}

bool ActorPipeline::Sleep(absl::Duration duration) {
  const absl::Time until = absl::Now() + duration;
  absl::MutexLock lock(&mu_);
  while (!over_) {
    if (changed_.WaitWithDeadline(&mu_, until)) return !over_;
  }
  return false;
}

// --- The rolling thread.

void ActorPipeline::Roll() {
  while (AwaitRoom()) {
    Lap lap;
    double weights = 0;
    absl::Status status = TakeWeights();
    lap.Add(weights);
    if (IsRetryable(status)) {  // None yet.
      Sleep(options_.weights_poll);
      continue;
    }
    auto pending = std::make_unique<Pending>();
    if (status.ok()) status = roller_.RollOut(Annealing(), pending->batch);
    if (!status.ok()) {
      Fail(status);
      return;
    }
    if (!SubmitInTime(std::move(pending), weights)) return;
  }
}

bool ActorPipeline::SubmitInTime(std::unique_ptr<Pending> pending, double weights) {
  absl::MutexLock lock(&mu_);
  while (!stopping_ && !over_ && IsWindowFull()) WaitForRoom(absl::InfiniteFuture());
  if (over_ || (stopping_ && IsWindowFull())) return false;
  times_.weights += weights;
  Submit(std::move(pending));
  return true;
}

bool ActorPipeline::IsWindowFull() const {
  return static_cast<int64_t>(pending_.size()) >= options_.max_pending_batches;
}

bool ActorPipeline::IsOldestScored() const {
  return !pending_.empty() && pending_.front()->stage == Stage::kScored;
}

void ActorPipeline::WaitForRoom(absl::Time deadline) {
  Lap lap;
  double& waited = IsOldestScored() ? times_.insert : times_.reward;
  changed_.WaitWithDeadline(&mu_, deadline);
  lap.Add(waited);
}

bool ActorPipeline::MayRoll() const {
  if (budget_spent_) return next_look_ <= absl::Now();
  if (options_.pending != nullptr && options_.pending->full()) return false;
  // One batch ahead hides the oracle's time behind a whole window of rollout, not one batch less.
  // Where replay is what is waited for it would only make that batch's policy staler.
  return !IsWindowFull() || !IsOldestScored();
}

bool ActorPipeline::AwaitRoom() {
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      while (!stopping_ && !over_ && !MayRoll()) WaitForRoom(next_look_);
      if (stopping_ || over_) return false;
      if (!budget_spent_) return true;
    }
    LookForBudget();
  }
}

void ActorPipeline::LookForBudget() {
  v1::DescribeRequest request;
  request.set_run_id(actor_.identity.run_id);
  request.set_environment_fingerprint(actor_.identity.environment_fingerprint);
  const auto description = reward_.Describe(request);
  const bool found = description.ok() && HasBudget(*description);
  bool told;
  {
    absl::MutexLock lock(&mu_);
    budget_spent_ = !found;
    next_look_ = found ? absl::InfiniteFuture() : absl::Now() + options_.budget_poll;
    told = IsPowerOfTwo(budget_stops_);
  }
  if (found && told) log_.Info("the reward service has budget again; going on");
}

absl::Status ActorPipeline::TakeWeights() {
  const absl::Status status = roller_.TakeNewestWeights();
  int64_t refused;
  {
    absl::MutexLock lock(&mu_);
    policy_ = roller_.policy();
    if (status.ok()) return status;
    refused = ++counters_.refused_snapshots;
  }
  // One that doesn't fit, or a source that is out of reach: the weights in use are good.
  if (IsPowerOfTwo(refused) && roller_.has_weights()) {
    log_.Warning("the newest snapshot can't be used; going on with the one before",
                 {{"error", std::string(status.message())}, {"in_use", ToText(roller_.policy())}});
  } else if (refused == 1) {
    log_.Info("waiting for the first snapshot of the weights",
              {{"status", std::string(status.message())}});
  }
  return roller_.has_weights() ? absl::OkStatus() : status;
}

int64_t ActorPipeline::Annealing() const {
  return static_cast<int64_t>(static_cast<double>(roller_.trained_trajectories()) /
                              options_.samples_per_insert);
}

void ActorPipeline::Submit(std::unique_ptr<Pending> pending) {
  pending_.push_back(std::move(pending));
  ++counters_.batches;
  state_.asked += pending_.back()->batch.columns.trajectories.size();
  state_.trajectories = roller_.trajectories();
  state_.transitions = roller_.transitions();
  state_.random_position = roller_.random_position();
  times_.policy = roller_.times().policy;
  times_.environment = roller_.times().environment;
  const auto askers = static_cast<int64_t>(askers_.size());
  if (idle_askers_ == 0 && askers < options_.max_pending_batches) {
    askers_.emplace_back([this, askers] { AskLoop(static_cast<uint64_t>(askers)); });
  }
  changed_.SignalAll();
}

bool ActorPipeline::AllScored() const {
  return std::all_of(pending_.begin(), pending_.end(),
                     [](const auto& p) { return p->stage == Stage::kScored; });
}

absl::Time ActorPipeline::FlushDeadline(absl::Time since) const {
  return AllScored() ? std::min(flush_until_, since + options_.insert_grace) : flush_until_;
}

void ActorPipeline::AwaitFlushed() {
  size_t lost;
  {
    absl::MutexLock lock(&mu_);
    rolling_ = false;
    changed_.SignalAll();
    size_t before = pending_.size();
    absl::Time since = absl::Now();  // The last acknowledgement, or the first that is scored.
    while (!over_ && !pending_.empty()) {
      const absl::Time deadline = FlushDeadline(since);
      if (deadline <= absl::Now()) break;
      const bool scored = AllScored();
      changed_.WaitWithDeadline(&mu_, deadline);
      if (pending_.size() != before || AllScored() != scored) since = absl::Now();
      before = pending_.size();
    }
    lost = over_ ? 0 : pending_.size();
  }
  if (lost > 0) {
    log_.Warning("the grace is over; what replay has not acknowledged is lost",
                 {{"batches", absl::StrCat(lost)}});
  }
  Cancel();
}

}  // namespace anabranch
