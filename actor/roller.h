// The rolling half of an actor: batches of trajectories with the newest weights.
#ifndef ANABRANCH_ACTOR_ROLLER_H_
#define ANABRANCH_ACTOR_ROLLER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "actor/actor_options.h"
#include "gflownet/environment/environment.h"
#include "gflownet/policy/model.h"
#include "gflownet/random.h"
#include "gflownet/rollout/rollout.h"
#include "runtime/channels.h"
#include "runtime/trajectory_codec.h"

namespace anabranch {

// Trajectories with what they have in common. Rewards come later.
struct RolledBatch {
  BatchHeader header;
  EvaluatedTrajectories columns;
};

// One thread uses it. Environment and weights outlive it; the model is its own, built as the
// learner's.
class Roller {
 public:
  // `header` is what every batch begins with, see Oracle.
  Roller(const ActorOptions& options, const Environment& environment, Model model,
         WeightSource& weights, BatchHeader header);

  // Swaps in the newest snapshot, if it is newer than the one in use; never goes back. UNAVAILABLE
  // while there is none; FAILED_PRECONDITION, naming both, for one of another run, environment or
  // network. After an error the weights are what they were.
  absl::Status TakeNewestWeights();
  bool has_weights() const { return has_weights_; }

  // A batch with the weights in use; exploration as after `annealing` trajectories. Replaces
  // `out`, whose trajectories are numbered from where the last batch's ended.
  absl::Status RollOut(int64_t annealing, RolledBatch& out);

  // Trajectories so far: rolled out here, and before Restore.
  int64_t trajectories() const { return trajectories_; }
  int64_t transitions() const { return transitions_; }
  uint64_t random_position() const { return random_.position(); }
  const RolloutTimes& times() const { return rollout_.times(); }
  // Of the snapshot in use.
  const v1::PolicyVersion& policy() const { return header_.policy; }
  // Trajectories that had been trained on, repeats counted, when it was published.
  int64_t trained_trajectories() const { return trained_trajectories_; }

  // Before the first batch: goes on where another roller of this stream stopped.
  void Restore(const ActorState& state);

 private:
  absl::Status CheckSnapshot(const WeightSnapshot& snapshot) const;
  bool IsNewer(const v1::PolicyVersion& version) const;

  const ActorOptions options_;
  Model model_;
  const std::string schema_;
  WeightSource& weights_;
  BatchHeader header_;  // Its policy is the snapshot in use.
  bool has_weights_ = false;
  int64_t trained_trajectories_ = 0;
  RandomStream random_;
  Rollout rollout_;
  int64_t trajectories_ = 0;
  int64_t transitions_ = 0;
};

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_ROLLER_H_
