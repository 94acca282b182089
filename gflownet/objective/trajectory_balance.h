// Trajectory balance (arXiv 2201.13259, equation 14).
#ifndef ANABRANCH_GFLOWNET_OBJECTIVE_TRAJECTORY_BALANCE_H_
#define ANABRANCH_GFLOWNET_OBJECTIVE_TRAJECTORY_BALANCE_H_

#include <string_view>

#include "gflownet/objective/objective.h"

namespace anabranch {

// (log Z + Σ log P_F − log R − Σ log P_B)², the mean over trajectories. log_z may be one number for
// all, or one for each trajectory where it depends on a condition.
class TrajectoryBalance final : public Objective {
 public:
  std::string_view name() const override { return "trajectory_balance"; }
  bool needs_log_z() const override { return true; }
  ObjectiveOutput Compute(const ObjectiveInput& input) const override;
};

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_OBJECTIVE_TRAJECTORY_BALANCE_H_
