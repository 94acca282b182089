// The actor: rolls out trajectories with the newest snapshot, has the finished objects scored, and
// hands both to replay.
#ifndef ANABRANCH_ACTOR_ACTOR_H_
#define ANABRANCH_ACTOR_ACTOR_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "actor/exploration_schedule.h"
#include "gflownet/environment/environment.h"
#include "gflownet/policy/model.h"
#include "gflownet/random.h"
#include "gflownet/reward_shaping/reward_shaping.h"
#include "gflownet/rollout/rollout.h"
#include "runtime/channels.h"
#include "runtime/components/run_identity.h"
#include "runtime/trajectory_codec.h"

namespace anabranch {

struct ActorOptions {
  RunIdentity identity;
  std::string name = "actor-0";  // For people.
  uint64_t seed = 0;
  uint64_t stream = 0;  // Of the actor's random numbers: each actor of a run has its own.
  int64_t rollout_trajectories = 16;
  ExplorationSchedule exploration;

  absl::Status Validate() const;
};

// Where an actor stands once it has rolled out a batch: what a checkpoint keeps of it.
struct ActorState {
  uint64_t random_position = 0;
  uint64_t sequence = 0;     // Of the last batch.
  int64_t trajectories = 0;  // Rolled out, rejected ones too.
  int64_t transitions = 0;   // Actions of these, stop included.
  int64_t rejected = 0;      // Not inserted: reward shaping leaves them out.
  int64_t non_finite = 0;    // Rejected because the oracle gave a number that isn't finite.
};

// Where its time went, in seconds, added up over batches.
struct ActorTimes {
  double policy = 0;
  double environment = 0;
  double reward = 0;  // Waiting for the oracle.
  double encode = 0;
  double insert = 0;  // Handing over, mostly waiting for the learner.
  double weights = 0;
};

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
        std::unique_ptr<InsertStream> replay);

  absl::Status Describe();
  absl::Status TakeNewestWeights();
  absl::Status CheckSnapshot(const WeightSnapshot& snapshot) const;
  // Scores the trajectories in hand and leaves out those that reward shaping does.
  absl::Status Evaluate();
  absl::StatusOr<v1::InsertBatch> Encode();
  absl::Status Insert(v1::InsertBatch batch);
  // Before the batch is handed over, which may take long: whoever reads the state then takes random
  // numbers and sequences for used up that may already be in replay, never the other way round.
  void ShareState();

  const ActorOptions options_;
  const Environment& environment_;
  Model model_;
  const std::string schema_;
  const RewardShaping& shaping_;
  RewardClient& reward_;
  WeightSource& weights_;
  std::unique_ptr<InsertStream> replay_;
  BatchHeader header_;  // Of the batch in hand; policy is the snapshot in use.
  RandomStream random_;
  Rollout rollout_;
  EvaluatedTrajectories batch_;  // In hand.
  ShapedRewards shaped_;
  ActorState next_;  // Becomes state_ once the batch is scored.
  ActorTimes next_times_;

  std::atomic<int64_t> acknowledged_ = 0;
  mutable absl::Mutex mu_;
  ActorState state_ ABSL_GUARDED_BY(mu_);
  ActorTimes times_ ABSL_GUARDED_BY(mu_);
};

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_ACTOR_H_
