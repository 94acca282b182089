// The pipeline behind the rollout: scoring, inserting, collecting, and what others read.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "actor/actor_pipeline.h"
#include "actor/batch_inserter.h"
#include "actor/finished_batch.h"
#include "gflownet/lap.h"
#include "runtime/error_reason.h"

namespace anabranch {
namespace {

bool IsPowerOfTwo(int64_t n) { return (n & (n - 1)) == 0; }

// Beside those of the askers, whose seeds count up from the incarnation.
constexpr uint64_t kCollectorSeed = 0x636f6c6c65637400;

}  // namespace

// --- The asking threads.

RewardAsker ActorPipeline::MakeAsker(uint64_t number) {
  return RewardAsker(
      reward_, options_.backoff, actor_.identity.incarnation + number,
      [this](absl::Duration duration) { return Sleep(duration); },
      [this](RewardAsker::Retry kind) {
        absl::MutexLock lock(&mu_);
        ++counters_.reward_retries;
        if (kind == RewardAsker::Retry::kRefusedAnswer) ++counters_.refused_answers;
      },
      log_);
}

void ActorPipeline::AskLoop(uint64_t number) {
  ScoreTaskOptions options;
  options.max_object_tries = options_.max_object_tries;
  options.defer_pending = options_.pending != nullptr;
  BatchScorer scorer(MakeAsker(number), oracle_, options, options_.backoff,
                     ~actor_.identity.incarnation - number,
                     [this](absl::Duration duration) { return Sleep(duration); });
  while (Pending* pending = NextToAsk()) {
    if (absl::Status status = Score(scorer, *pending); !status.ok()) {
      Fail(status);
      return;
    }
  }
}

ActorPipeline::Pending* ActorPipeline::NextToAsk() {
  absl::MutexLock lock(&mu_);
  ++idle_askers_;
  while (!over_) {
    const auto next = std::find_if(pending_.begin(), pending_.end(),
                                   [](const auto& p) { return p->stage == Stage::kRolled; });
    if (next != pending_.end()) {
      --idle_askers_;
      (*next)->stage = Stage::kAsking;
      return next->get();
    }
    changed_.Wait(&mu_);
  }
  return nullptr;
}

absl::Status ActorPipeline::KeepDeferred(const ScoreTask& task, const RolledBatch& batch) {
  if (task.deferred().empty()) return absl::OkStatus();
  Backoff backoff(options_.backoff, batch.header.first_trajectory_number);
  while (true) {
    const absl::Status status = options_.pending->Add(batch.header, batch.columns.trajectories,
                                                      task.deferred(), absl::Now());
    if (!IsRetryable(status)) return status;
    const absl::Duration delay = backoff.Next();
    if (IsPowerOfTwo(backoff.tries())) {
      log_.Warning("pending trajectories can't be kept; trying again",
                   {{"error", std::string(status.message())},
                    {"reason", ReasonOf(status)},
                    {"retry_in", absl::FormatDuration(delay)}});
    }
    if (!Sleep(delay)) return absl::CancelledError("the actor ends");
  }
}

void ActorPipeline::NoteBudget(const ScoreTask& task) {
  if (task.counts().budget_exhausted == 0) return;
  int64_t stops;
  {
    absl::MutexLock lock(&mu_);
    if (std::exchange(budget_spent_, true)) return;
    next_look_ = absl::Now() + options_.budget_poll;
    stops = ++budget_stops_;
  }
  if (!IsPowerOfTwo(stops)) return;
  const v1::RewardBudget budget = task.budget().value_or(v1::RewardBudget());
  log_.Warning(
      "the reward budget is spent; nothing is rolled out until there is more",
      {{"evaluations_used", absl::StrCat(budget.evaluations_used())},
       {"evaluations_outstanding", absl::StrCat(budget.evaluations_outstanding())},
       {"cost_used", absl::StrCat(budget.cost_used(), budget.cost_unit().empty() ? "" : " ",
                                  budget.cost_unit())},
       {"left_out", absl::StrCat(task.counts().budget_exhausted)}});
}

absl::Status ActorPipeline::Score(BatchScorer& scorer, Pending& pending) {
  RolledBatch& batch = pending.batch;
  auto task = scorer.Score(batch.header, batch.columns.trajectories);
  if (!task.ok()) return task.status();
  if (absl::Status status = KeepDeferred(**task, batch); !status.ok()) return status;
  NoteBudget(**task);
  Lap lap;
  double encode = 0;
  auto finished = FinishBatch(**task, batch.header, shaping_, batch.columns);
  if (!finished.ok()) return finished.status();
  const size_t kept = finished->positions.size();
  if (kept > 0) *pending.encoded.mutable_batch() = std::move(finished->batch);
  batch.columns = EvaluatedTrajectories();
  lap.Add(encode);
  int64_t before;
  {
    absl::MutexLock lock(&mu_);
    before = state_.rejected;
    state_.rejected += finished->rejected;
    state_.non_finite += (*task)->non_finite();
    state_.Add((*task)->counts());
    counters_.objects_asked_again += (*task)->asked_again();
    times_.encode += encode;
    pending.stage = Stage::kScored;
    changed_.SignalAll();
  }
  if (finished->rejected > 0 && (before == 0 || kept == 0)) {
    log_.Warning("reward shaping leaves trajectories out",
                 {{"trajectories", absl::StrCat(finished->rejected)},
                  {"kept", absl::StrCat(kept)},
                  {"first_reason", finished->why}});
  }
  return absl::OkStatus();
}

// --- The inserting thread.

void ActorPipeline::InsertLoop() {
  BatchInserter inserter(
      options_.backoff, actor_.identity.incarnation,
      [this](absl::Duration duration) { return Sleep(duration); },
      [this] {
        absl::MutexLock lock(&mu_);
        ++counters_.insert_retries;
      },
      log_);
  while (Pending* pending = NextToInsert()) {
    if (pending->encoded.has_batch()) {
      if (absl::Status status = inserter.Insert(*replay_, pending->encoded); !status.ok()) {
        Fail(status);
        return;
      }
      Acknowledged(pending->encoded);
    }
    std::unique_ptr<Pending> done;  // Freed without the lock.
    absl::MutexLock lock(&mu_);
    done = std::move(pending_.front());
    pending_.pop_front();
    changed_.SignalAll();
  }
}

ActorPipeline::Pending* ActorPipeline::NextToInsert() {
  absl::MutexLock lock(&mu_);
  while (!over_ && (rolling_ || !pending_.empty())) {
    Pending* oldest = pending_.empty() ? nullptr : pending_.front().get();
    if (oldest != nullptr && oldest->stage == Stage::kScored) {
      if (oldest->encoded.has_batch()) oldest->encoded.set_sequence(++state_.sequence);
      return oldest;
    }
    changed_.Wait(&mu_);
  }
  return nullptr;
}

void ActorPipeline::Acknowledged(const v1::InsertBatch& batch) {
  if (options_.on_acknowledged) options_.on_acknowledged(batch);
  absl::MutexLock lock(&mu_);
  counters_.acknowledged += batch.batch().lengths_size();
}

// --- The collecting thread.

std::unique_ptr<PendingCollector> ActorPipeline::MakeCollector(const BatchHeader& header) {
  if (options_.pending == nullptr) return nullptr;
  const auto sleep = [this](absl::Duration duration) { return Sleep(duration); };
  ScoreTaskOptions scoring;
  scoring.defer_pending = scoring.defer_retryable = true;
  scoring.request_prefix = "pending-";
  const uint64_t seed = actor_.identity.incarnation ^ kCollectorSeed;
  CollectorOptions options;
  options.batch_objects = actor_.rollout_trajectories;
  options.max_object_tries = options_.max_object_tries;
  options.backoff = options_.backoff;
  options.open_inserts = options_.open_inserts;
  options.on_collected = [this](const CollectedObjects& collected) { Collected(collected); };
  options.on_acknowledged = [this](const v1::InsertBatch& batch) { Acknowledged(batch); };
  BatchInserter inserter(
      options_.backoff, seed, sleep,
      [this] {
        absl::MutexLock lock(&mu_);
        ++counters_.insert_retries;
      },
      log_);
  return std::make_unique<PendingCollector>(
      std::move(options), *options_.pending, header, shaping_,
      BatchScorer(MakeAsker(kCollectorSeed), oracle_, scoring, options_.backoff, seed, sleep),
      std::move(inserter), sleep, log_);
}

void ActorPipeline::Collected(const CollectedObjects& collected) {
  absl::MutexLock lock(&mu_);
  state_.Add(collected.counts);
  state_.rejected += collected.rejected;
  state_.non_finite += collected.non_finite;
  counters_.objects_asked_again += collected.asked;
  counters_.resolved += collected.asked - collected.counts.deferred;
  changed_.SignalAll();  // There may be room for more of them.
}

// --- What others read.

ActorState ActorPipeline::state() const {
  absl::MutexLock lock(&mu_);
  ActorState state = state_;
  if (options_.pending != nullptr) state.pending = options_.pending->size();
  return state;
}

ActorTimes ActorPipeline::times() const {
  absl::MutexLock lock(&mu_);
  return times_;
}

PipelineCounters ActorPipeline::counters() const {
  const absl::Time oldest =
      options_.pending == nullptr ? absl::InfiniteFuture() : options_.pending->oldest();
  absl::MutexLock lock(&mu_);
  PipelineCounters counters = counters_;
  counters.pending = static_cast<int64_t>(pending_.size());
  counters.budget_spent = budget_spent_;
  counters.oldest_pending = std::max(absl::ZeroDuration(), absl::Now() - oldest);
  return counters;
}

v1::PolicyVersion ActorPipeline::policy() const {
  absl::MutexLock lock(&mu_);
  return policy_;
}

}  // namespace anabranch
