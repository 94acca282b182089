// What the whole-trajectory objectives share.
#ifndef ANABRANCH_GFLOWNET_OBJECTIVE_TRAJECTORY_SUMS_H_
#define ANABRANCH_GFLOWNET_OBJECTIVE_TRAJECTORY_SUMS_H_

#include <ATen/core/Tensor.h>

#include "gflownet/objective/objective.h"

namespace anabranch {

// δ = Σ log P_F − log R − Σ log P_B of each trajectory, [n]; −log Z of it for a perfect policy.
// Differentiable.
at::Tensor TrajectoryLogRatios(const ObjectiveInput& input);

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_OBJECTIVE_TRAJECTORY_SUMS_H_
