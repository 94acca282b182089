#include "gflownet/objective/trajectory_balance.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include "gflownet/objective/trajectory_sums.h"

namespace anabranch {

ObjectiveOutput TrajectoryBalance::Compute(const ObjectiveInput& input) const {
  const at::Tensor losses = (TrajectoryLogRatios(input) + input.log_z).square();
  return {losses.mean(), losses.detach(), {}};
}

}  // namespace anabranch
