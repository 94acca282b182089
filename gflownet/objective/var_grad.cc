#include "gflownet/objective/var_grad.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include "gflownet/objective/trajectory_sums.h"

namespace anabranch {

ObjectiveOutput VarGrad::Compute(const ObjectiveInput& input) const {
  const at::Tensor ratios = TrajectoryLogRatios(input);
  const at::Tensor mean = ratios.mean();
  const at::Tensor losses = (ratios - mean).square();
  return {losses.mean(), losses.detach(), mean.detach().neg()};
}

}  // namespace anabranch
