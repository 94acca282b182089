// VarGrad, the log-partition variance loss (arXiv 2302.05446; 2010.10436 for the name).
#ifndef ANABRANCH_GFLOWNET_OBJECTIVE_VAR_GRAD_H_
#define ANABRANCH_GFLOWNET_OBJECTIVE_VAR_GRAD_H_

#include <string_view>

#include "gflownet/objective/objective.h"

namespace anabranch {

// (δ − mean_batch δ)², δ = Σ log P_F − log R − Σ log P_B, the mean over trajectories: trajectory
// balance with log Z = −mean δ, the best for the batch. Its gradient is that of trajectory balance
// at that log Z held fixed, because the derivative with respect to log Z vanishes there. A batch of
// one trajectory has loss 0.
class VarGrad final : public Objective {
 public:
  std::string_view name() const override { return "var_grad"; }
  bool needs_log_z() const override { return false; }
  ObjectiveOutput Compute(const ObjectiveInput& input) const override;
};

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_OBJECTIVE_VAR_GRAD_H_
