#include "actor/actor_pipeline.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "actor/finished_batch.h"
#include "gflownet/lap.h"
#include "runtime/error_reason.h"
#include "runtime/refusal.h"
#include "runtime/trajectory_codec.h"

namespace anabranch {
namespace {

bool IsPowerOfTwo(int64_t n) { return (n & (n - 1)) == 0; }

std::string ToText(const v1::PolicyVersion& version) {
  return absl::StrCat(version.generation(), ".", version.version());
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
      scoring_{oracle.max_batch_objects, options_.max_object_tries},
      replay_(std::move(replay)),
      log_(log),
      roller_(actor, environment, std::move(model), weights, std::move(oracle.header)) {}

ActorPipeline::~ActorPipeline() { Cancel(); }

absl::Status ActorPipeline::Run() {
  std::thread inserter([this] { InsertLoop(); });
  Roll();
  AwaitFlushed();
  for (std::thread& asker : askers_) asker.join();
  inserter.join();
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
    absl::MutexLock lock(&mu_);
    times_.weights += weights;
    Submit(std::move(pending));
  }
}

bool ActorPipeline::AwaitRoom() {
  absl::MutexLock lock(&mu_);
  Lap lap;
  while (!stopping_ && !over_ &&
         static_cast<int64_t>(pending_.size()) >= options_.max_pending_batches) {
    double& waited = pending_.front()->stage == Stage::kScored ? times_.insert : times_.reward;
    changed_.Wait(&mu_);
    lap.Add(waited);
  }
  return !stopping_ && !over_;
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

// --- The asking threads.

void ActorPipeline::AskLoop(uint64_t number) {
  RewardAsker asker(
      reward_, options_.backoff, actor_.identity.incarnation + number,
      [this](absl::Duration duration) { return Sleep(duration); },
      [this](RewardAsker::Retry kind) {
        absl::MutexLock lock(&mu_);
        ++counters_.reward_retries;
        if (kind == RewardAsker::Retry::kRefusedAnswer) ++counters_.refused_answers;
      },
      log_);
  while (Pending* pending = NextToAsk()) {
    if (absl::Status status = Score(asker, *pending); !status.ok()) {
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

absl::Status ActorPipeline::Score(RewardAsker& asker, Pending& pending) {
  EvaluatedTrajectories& columns = pending.batch.columns;
  ScoreTask task(pending.batch.header, columns.trajectories, scoring_);
  if (absl::Status status = asker.Ask(task); !status.ok()) return status;
  Lap lap;
  double encode = 0;
  std::string why;
  const auto rejected = TakeRewards(std::move(task.rewards()), shaping_, columns, &why);
  if (!rejected.ok()) return rejected.status();
  const int64_t kept = columns.trajectories.size();
  if (kept > 0) {
    auto encoded = EncodeTrajectories(columns, pending.batch.header);
    if (!encoded.ok()) return encoded.status();
    *pending.encoded.mutable_batch() = *std::move(encoded);
  }
  columns = EvaluatedTrajectories();
  lap.Add(encode);
  int64_t before;
  {
    absl::MutexLock lock(&mu_);
    before = state_.rejected;
    state_.rejected += *rejected;
    state_.non_finite += task.non_finite();
    counters_.objects_asked_again += task.asked_again();
    times_.encode += encode;
    pending.stage = Stage::kScored;
    changed_.SignalAll();
  }
  if (*rejected > 0 && (before == 0 || kept == 0)) {
    log_.Warning("reward shaping leaves trajectories out",
                 {{"trajectories", absl::StrCat(*rejected)},
                  {"kept", absl::StrCat(kept)},
                  {"first_reason", why}});
  }
  return absl::OkStatus();
}

// --- The inserting thread.

void ActorPipeline::InsertLoop() {
  while (Pending* pending = NextToInsert()) {
    if (absl::Status status = Insert(*pending); !status.ok()) {
      Fail(status);
      return;
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

absl::Status ActorPipeline::Insert(Pending& pending) {
  if (!pending.encoded.has_batch()) return absl::OkStatus();
  Backoff backoff(options_.backoff, actor_.identity.incarnation);
  while (true) {
    const auto answer = replay_->Insert(pending.encoded);
    absl::Status status = answer.status();
    if (answer.ok() && answer->sequence() != pending.encoded.sequence()) {
      return absl::InternalError(absl::StrCat("replay acknowledged batch ", answer->sequence(),
                                              ", sent was ", pending.encoded.sequence()));
    }
    if (answer.ok() && answer->result() == v1::INSERT_RESULT_REFUSED) {
      status = RefusalStatus(answer->refusal());
    }
    if (status.ok()) {
      Acknowledged(pending);
      return status;
    }
    if (!IsRetryable(status)) return status;
    const absl::Duration delay = backoff.Next();
    if (IsPowerOfTwo(backoff.tries())) {
      log_.Warning("replay did not take a batch; sending it again",
                   {{"sequence", absl::StrCat(pending.encoded.sequence())},
                    {"error", std::string(status.message())},
                    {"reason", ReasonOf(status)},
                    {"retry_in", absl::FormatDuration(delay)}});
    }
    {
      absl::MutexLock lock(&mu_);
      ++counters_.insert_retries;
    }
    if (!Sleep(delay)) return absl::CancelledError("the actor ends");
  }
}

void ActorPipeline::Acknowledged(const Pending& pending) {
  if (options_.on_acknowledged) options_.on_acknowledged(pending.encoded);
  absl::MutexLock lock(&mu_);
  counters_.acknowledged += pending.encoded.batch().lengths_size();
}

// --- What others read.

ActorState ActorPipeline::state() const {
  absl::MutexLock lock(&mu_);
  return state_;
}

ActorTimes ActorPipeline::times() const {
  absl::MutexLock lock(&mu_);
  return times_;
}

PipelineCounters ActorPipeline::counters() const {
  absl::MutexLock lock(&mu_);
  PipelineCounters counters = counters_;
  counters.pending = static_cast<int64_t>(pending_.size());
  return counters;
}

v1::PolicyVersion ActorPipeline::policy() const {
  absl::MutexLock lock(&mu_);
  return policy_;
}

}  // namespace anabranch
