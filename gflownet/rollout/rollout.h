// Sampling of whole trajectories, forward from sources and backward from objects.
#ifndef ANABRANCH_GFLOWNET_ROLLOUT_ROLLOUT_H_
#define ANABRANCH_GFLOWNET_ROLLOUT_ROLLOUT_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gflownet/environment/environment.h"
#include "gflownet/policy/policy.h"
#include "gflownet/random.h"
#include "gflownet/trajectory/trajectories.h"

namespace anabranch {

struct RolloutOptions {
  int64_t trajectories = 16;
  Exploration exploration;
  bool record_log_pf = false;
  std::vector<std::string> prompts;  // [trajectories] or empty.
  int64_t condition_width = 0;
  std::vector<float> conditions;  // [trajectories, condition_width]
};

// Where a rollout's time went, in seconds; added up over calls.
struct RolloutTimes {
  double policy = 0;
  double environment = 0;
};

// Batched: one policy call a step for all trajectories that are unfinished; finished ones are
// compacted away. Owns its buffers, so one thread uses it at a time. Environment and policy outlive
// it.
class Rollout {
 public:
  Rollout(const Environment& environment, Policy& policy);
  ~Rollout();

  // Draws `options.trajectories` trajectories with P_F; replaces `out`. With exploration, actions
  // are drawn from the mixture, and log_pf stays the target's.
  absl::Status Forward(const RolloutOptions& options, RandomStream& random, Trajectories& out);

  // Draws one trajectory with P_B for each object, from a state of the object back to the source,
  // and gives it in forward order. log_pb, where wanted, gets Σ log P_B of each [n].
  // INVALID_ARGUMENT names the index of an object that can't be read.
  absl::Status Backward(std::span<const std::string> objects, RandomStream& random,
                        Trajectories& out, std::vector<float>* log_pb = nullptr);

  const RolloutTimes& times() const { return times_; }

 private:
  struct Buffers;

  // One action for every unfinished trajectory.
  void StepForward(const RolloutOptions& options, RandomStream& random, StateBatch& states);
  // Takes the trajectories that stopped out of the batch and notes their objects.
  void RetireStopped(StateBatch& states);
  void StepBackward(RandomStream& random, StateBatch& states, std::vector<float>* log_pb);
  // Sorts what was done step by step into columns that go by trajectory.
  void Gather(int64_t n, bool record_log_pf, Trajectories& out);

  const Environment& environment_;
  Policy& policy_;
  std::unique_ptr<Buffers> buffers_;
  RolloutTimes times_;
};

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_ROLLOUT_ROLLOUT_H_
