// The actor side by side: while finished batches are being scored and inserted, the next is already
// rolling out.
#ifndef ANABRANCH_ACTOR_ACTOR_PIPELINE_H_
#define ANABRANCH_ACTOR_ACTOR_PIPELINE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "actor/actor_options.h"
#include "actor/batch_scorer.h"
#include "actor/pending_collector.h"
#include "actor/pipeline_options.h"
#include "actor/roller.h"
#include "actor/shared_oracle.h"
#include "gflownet/environment/environment.h"
#include "gflownet/policy/model.h"
#include "gflownet/reward_shaping/reward_shaping.h"
#include "runtime/channels.h"
#include "runtime/log.h"

namespace anabranch {

// Four kinds of threads: the caller of Run rolls out; up to max_pending_batches ask the oracle and
// encode; one inserts, in the order of rolling out; one collects what was PENDING. A batch is
// pending from when it is rolled out until it is acknowledged, and while max_pending_batches are,
// nothing is rolled out (but for one batch ahead where the oracle is what is waited for): an oracle
// or a replay server that is slow slows the actor down and costs bounded memory. Objects that the
// oracle answers PENDING leave their batch. While the budget is spent nothing is rolled out either.
class ActorPipeline {
 public:
  // Environment, shaping, clients and log outlive the pipeline; the model is its own. The insert
  // stream is open. INVALID_ARGUMENT names the option.
  static absl::StatusOr<std::unique_ptr<ActorPipeline>> Create(
      const ActorOptions& actor, PipelineOptions options, const Environment& environment,
      Model model, const RewardShaping& shaping, Oracle oracle, RewardClient& reward,
      WeightSource& weights, std::unique_ptr<InsertStream> replay, Log& log);
  // As Cancel. Not while Run is running.
  ~ActorPipeline();

  // Rolls out, in this thread (whose at::set_num_threads counts), until stopped, cancelled, or
  // something fails for good; returns when all its threads have ended. OK also when replay has
  // ended the run (CANCELLED). Waits for the first snapshot of the weights. What is worth a retry
  // is retried, for as long as it takes. Call it once.
  absl::Status Run();

  // Nothing new is rolled out; Run returns when what is pending has been acknowledged, or after
  // `grace` (or insert_grace, when only replay is waited for), then as after Cancel. From any
  // thread, also before Run.
  void Stop(absl::Duration grace);
  // Run returns as soon as the clients let go; what is pending is lost. From any thread.
  void Cancel();

  ActorState state() const;
  // `reward` and `insert`: how long the rollout waited for which.
  ActorTimes times() const;
  PipelineCounters counters() const;
  // Snapshot in use; generation 0 before the first.
  v1::PolicyVersion policy() const;

 private:
  enum class Stage { kRolled, kAsking, kScored };
  struct Pending {
    RolledBatch batch;
    Stage stage = Stage::kRolled;
    v1::InsertBatch encoded;  // From kScored on; without trajectories if all are left out.
  };

  ActorPipeline(const ActorOptions& actor, PipelineOptions options, const Environment& environment,
                Model model, const RewardShaping& shaping, Oracle oracle, RewardClient& reward,
                WeightSource& weights, std::unique_ptr<InsertStream> replay, Log& log);

  // The rolling thread. False when everything ends.
  void Roll();
  bool AwaitRoom();
  bool MayRoll() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool SubmitInTime(std::unique_ptr<Pending> pending, double weights);
  void WaitForRoom(absl::Time deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool IsWindowFull() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool IsOldestScored() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void LookForBudget();
  absl::Status TakeWeights();
  void Submit(std::unique_ptr<Pending> pending) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AwaitFlushed();
  bool AllScored() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Time FlushDeadline(absl::Time since) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  int64_t Annealing() const;

  void AskLoop(uint64_t number);  // The asking threads.
  RewardAsker MakeAsker(uint64_t number);
  absl::Status Score(BatchScorer& scorer, Pending& pending);
  absl::Status KeepDeferred(const ScoreTask& task, const RolledBatch& batch);
  void NoteBudget(const ScoreTask& task);
  // The oldest that nobody asks about yet, or null when everything ends. Blocks.
  Pending* NextToAsk();

  // The inserting thread.
  void InsertLoop();
  // The oldest once it is scored, or null when there will be none.
  Pending* NextToInsert();
  void Acknowledged(const v1::InsertBatch& batch);

  // The collecting thread. Null without PipelineOptions.pending.
  std::unique_ptr<PendingCollector> MakeCollector(const BatchHeader& header);
  void Collected(const CollectedObjects& collected);

  // The first failure ends everything.
  void Fail(const absl::Status& status);
  // False, early, when everything ends.
  bool Sleep(absl::Duration duration);

  const ActorOptions actor_;
  const PipelineOptions options_;
  const RewardShaping& shaping_;
  RewardClient& reward_;
  const std::unique_ptr<InsertStream> replay_;
  Log& log_;
  SharedOracle oracle_;
  const std::unique_ptr<PendingCollector> collector_;
  Roller roller_;                    // The rolling thread's.
  std::vector<std::thread> askers_;  // Started and joined by it.

  mutable absl::Mutex mu_;
  absl::CondVar changed_;                                              // Anything below.
  std::deque<std::unique_ptr<Pending>> pending_ ABSL_GUARDED_BY(mu_);  // In the order of rolling.
  int64_t idle_askers_ ABSL_GUARDED_BY(mu_) = 0;
  bool budget_spent_ ABSL_GUARDED_BY(mu_) = false;
  int64_t budget_stops_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Time next_look_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();  // For a budget.
  bool rolling_ ABSL_GUARDED_BY(mu_) = true;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  absl::Time flush_until_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
  bool over_ ABSL_GUARDED_BY(mu_) = false;  // All threads end.
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  ActorState state_ ABSL_GUARDED_BY(mu_);
  ActorTimes times_ ABSL_GUARDED_BY(mu_);
  PipelineCounters counters_ ABSL_GUARDED_BY(mu_);
  v1::PolicyVersion policy_ ABSL_GUARDED_BY(mu_);
};

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_ACTOR_PIPELINE_H_
