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
#include "actor/oracle.h"
#include "actor/roller.h"
#include "actor/score_task.h"
#include "gflownet/environment/environment.h"
#include "gflownet/policy/model.h"
#include "gflownet/reward_shaping/reward_shaping.h"
#include "runtime/channels.h"

namespace anabranch {

// One thread runs it; acknowledged(), state() and times() may be read from others.
class Actor {
 public:
  // Environment, shaping and clients outlive the actor; the model is its own, built as the
  // learner's. The insert stream is open. Asks the oracle what it is: FAILED_PRECONDITION when it
  // doesn't accept the environment's objects.
  static absl::StatusOr<std::unique_ptr<Actor>> Create(const ActorOptions& options,
                                                       const Environment& environment, Model model,
                                                       const RewardShaping& shaping,
                                                       RewardClient& reward, WeightSource& weights,
                                                       std::unique_ptr<InsertStream> replay);

  // Rolls out and hands over one batch. Blocks while pacing holds it back. FAILED_PRECONDITION for
  // a snapshot of another run, environment or network; UNAVAILABLE while there is none yet;
  // otherwise what the clients say. After an error the batch is lost and the next may be tried.
  absl::Status RunOnce();

  // Batches until `more` says no or something fails. OK also when replay is closed (CANCELLED).
  absl::Status Run(absl::FunctionRef<bool()> more);

  // Trajectories that replay has acknowledged to this object.
  int64_t acknowledged() const { return acknowledged_.load(std::memory_order_relaxed); }
  ActorState state() const;
  ActorTimes times() const;
  // Before the first batch: goes on where another actor of this name stopped.
  void Restore(const ActorState& state);

 private:
  Actor(const ActorOptions& options, const Environment& environment, Model model,
        const RewardShaping& shaping, RewardClient& reward, WeightSource& weights,
        std::unique_ptr<InsertStream> replay, Oracle oracle);

  // Scores the batch in hand, asking once, and leaves out what reward shaping does.
  absl::Status Evaluate();
  absl::StatusOr<v1::InsertBatch> Encode();
  absl::Status Insert(v1::InsertBatch batch);
  // Before the batch is handed over, which may take long: whoever reads the state then takes random
  // numbers and sequences for used up that may already be in replay, never the other way round.
  void ShareState();

  const RewardShaping& shaping_;
  RewardClient& reward_;
  const ScoreTaskOptions scoring_;
  std::unique_ptr<InsertStream> replay_;
  Roller roller_;
  RolledBatch batch_;  // In hand.
  ActorState next_;    // Becomes state_ once the batch is scored.
  ActorTimes next_times_;

  std::atomic<int64_t> acknowledged_ = 0;
  mutable absl::Mutex mu_;
  ActorState state_ ABSL_GUARDED_BY(mu_);
  ActorTimes times_ ABSL_GUARDED_BY(mu_);
};

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_ACTOR_H_
