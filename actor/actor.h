// The actor in one thread, step after step: rolls out trajectories with the newest snapshot, has
// the finished objects scored, and hands both to replay. ActorPipeline does the same side by side.
#ifndef ANABRANCH_ACTOR_ACTOR_H_
#define ANABRANCH_ACTOR_ACTOR_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "actor/actor_options.h"
#include "actor/finished_batch.h"
#include "actor/oracle.h"
#include "actor/roller.h"
#include "actor/score_task.h"
#include "actor/shared_oracle.h"
#include "gflownet/environment/environment.h"
#include "gflownet/policy/model.h"
#include "gflownet/reward_shaping/reward_shaping.h"
#include "runtime/channels.h"
#include "runtime/log.h"

namespace anabranch {

// One thread runs it; Cancel may be called, and what is const and public read, from others.
class Actor {
 public:
  // Environment, shaping and clients outlive the actor; the model is its own, built as the
  // learner's. The insert stream is open. Asks the oracle what it is; errors as DescribeOracle.
  static absl::StatusOr<std::unique_ptr<Actor>> Create(const ActorOptions& options,
                                                       const Environment& environment, Model model,
                                                       const RewardShaping& shaping,
                                                       RewardClient& reward, WeightSource& weights,
                                                       std::unique_ptr<InsertStream> replay,
                                                       Log& log = NullLog());

  // Rolls out and hands over one batch. Blocks while pacing holds it back, and until the oracle has
  // answered for every object that is PENDING. FAILED_PRECONDITION for a snapshot of another run,
  // environment or network; UNAVAILABLE while there is none yet; CANCELLED after Cancel; otherwise
  // what the clients say. After an error the batch is lost and the next may be tried. OK also
  // where the budget leaves out some or all of its objects: see budget_spent.
  absl::Status RunOnce();

  // Batches until `more` says no, the budget is spent or something fails. OK also when replay is
  // closed, and after Cancel.
  absl::Status Run(absl::FunctionRef<bool()> more);

  // Ends a wait for objects that are PENDING, now and later; they are dropped with their batch.
  void Cancel();

  // Objects of the last batch were left out because the budget is spent.
  bool budget_spent() const;
  // As of the last answer that told; empty where no budget is kept.
  v1::RewardBudget budget() const;

  // Trajectories that replay has acknowledged to this object.
  int64_t acknowledged() const { return acknowledged_.load(std::memory_order_relaxed); }
  ActorState state() const;
  ActorTimes times() const;
  // Before the first batch: goes on where another actor of this name stopped.
  void Restore(const ActorState& state);

 private:
  Actor(const ActorOptions& options, const Environment& environment, Model model,
        const RewardShaping& shaping, RewardClient& reward, WeightSource& weights,
        std::unique_ptr<InsertStream> replay, Oracle oracle, Log& log);

  // Scores the batch in hand.
  absl::StatusOr<std::unique_ptr<ScoreTask>> Evaluate();
  // Every question once, but PENDING objects until they are answered.
  absl::Status Ask(ScoreTask& task);
  // What became of the batch: into next_.
  absl::StatusOr<FinishedBatch> Finish(ScoreTask& task);
  absl::Status Insert(v1::TrajectoryBatch batch);
  // Before the batch is handed over, which may take long: whoever reads the state then takes random
  // numbers and sequences for used up that may already be in replay, never the other way round.
  void ShareState();

  const ActorOptions options_;
  const RewardShaping& shaping_;
  RewardClient& reward_;
  SharedOracle oracle_;
  std::unique_ptr<InsertStream> replay_;
  Roller roller_;
  RolledBatch batch_;  // In hand.
  ActorState next_;    // Becomes state_ once the batch is scored.
  ActorTimes next_times_;

  std::atomic<int64_t> acknowledged_ = 0;
  mutable absl::Mutex mu_;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  bool budget_spent_ ABSL_GUARDED_BY(mu_) = false;
  v1::RewardBudget budget_ ABSL_GUARDED_BY(mu_);
  ActorState state_ ABSL_GUARDED_BY(mu_);
  ActorTimes times_ ABSL_GUARDED_BY(mu_);
};

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_ACTOR_H_
