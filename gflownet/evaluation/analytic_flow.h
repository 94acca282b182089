// The perfect policy, in closed form: what training ought to arrive at.
#ifndef ANABRANCH_GFLOWNET_EVALUATION_ANALYTIC_FLOW_H_
#define ANABRANCH_GFLOWNET_EVALUATION_ANALYTIC_FLOW_H_

#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "gflownet/evaluation/transition_table.h"

namespace anabranch {

// The flow that a backward policy and a reward determine (arXiv 2111.09266, 3.2), in double:
//   F(s) = R(s) [where stop is legal] + Σ_children F(s') P_B(s|s'),
//   P_F(s'|s) = F(s') P_B(s|s') / F(s),  P_F(stop|s) = R(s) / F(s).
// Trajectory balance holds on every path, p(x) = R(x) / Z, and F(s_0) = Z.
struct AnalyticFlow {
  std::vector<double> log_flow;      // [num_states]
  std::vector<double> log_forward;   // [num_states, num_forward_actions] −∞ where illegal.
  std::vector<double> log_backward;  // [num_states, num_backward_actions] −∞ where illegal.

  double log_z() const { return log_flow[0]; }
};

// `log_rewards` [num_states]: −∞ where a state is no object. `log_backward` as in the result, or
// empty for uniform over the parents. Where no flow passes through a state, its forward row is
// uniform. INVALID_ARGUMENT, naming index and value, for wrong lengths, NaN or +∞, a reward where
// stop is illegal, and a backward row that doesn't sum to 1 within 1e-4 over the parents.
absl::StatusOr<AnalyticFlow> SolveFlow(const TransitionTable& table,
                                       std::span<const double> log_rewards,
                                       std::span<const double> log_backward = {});

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_EVALUATION_ANALYTIC_FLOW_H_
