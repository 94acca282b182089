// The losses whose zero is p(x) ∝ R(x).
#ifndef ANABRANCH_GFLOWNET_OBJECTIVE_OBJECTIVE_H_
#define ANABRANCH_GFLOWNET_OBJECTIVE_OBJECTIVE_H_

#include <ATen/core/Tensor.h>

#include <string_view>

namespace anabranch {

// A batch of n trajectories with `rows` states among them, in the row layout of StateRows. All in
// log space, all of the current policy, all on one device.
struct ObjectiveInput {
  at::Tensor log_pf;      // [rows] log P_F of the action taken.
  at::Tensor log_pb;      // [rows] log P_B back to the state before; 0 in first rows.
  at::Tensor log_flow;    // [rows] log F(s); undefined unless needs_flow.
  at::Tensor trajectory;  // [rows] int64 in [0, n).
  at::Tensor step;        // [rows] int64.
  at::Tensor log_reward;  // [n]
  at::Tensor log_z;       // [1] or [n]; undefined unless needs_log_z.
};

struct ObjectiveOutput {
  at::Tensor loss;  // Scalar, differentiable: the mean over trajectories.
  // [n], detached: each trajectory's share, for priorities and for finding the ones that are off.
  at::Tensor trajectory_loss;
  // Scalar, detached: this batch's estimate of log Z where the objective has one without a
  // parameter (VarGrad); undefined otherwise.
  at::Tensor log_z_estimate;
};

// Stateless and thread-safe.
class Objective {
 public:
  virtual ~Objective() = default;
  virtual std::string_view name() const = 0;
  virtual bool needs_log_z() const = 0;  // A log Z parameter is learned beside the policy.
  virtual bool needs_flow() const { return false; }
  virtual ObjectiveOutput Compute(const ObjectiveInput& input) const = 0;
};

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_OBJECTIVE_OBJECTIVE_H_
