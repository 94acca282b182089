#include "gflownet/objective/trajectory_sums.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

namespace anabranch {

at::Tensor TrajectoryLogRatios(const ObjectiveInput& input) {
  // index_add starts from −log R, so the sum and the subtraction are one operation.
  return input.log_reward.neg().index_add(0, input.trajectory, input.log_pf - input.log_pb);
}

}  // namespace anabranch
