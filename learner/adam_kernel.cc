#include "learner/adam_kernel.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>

#include "gflownet/function_clones.h"

namespace anabranch {

ANABRANCH_FUNCTION_CLONES double SumOfSquares(const float* x, int64_t size) {
  // Lanes let the compiler keep sums in vectors; blocks bound the rounding of each.
  constexpr int64_t kLanes = 32, kBlock = 4096;
  double total = 0;
  for (int64_t begin = 0; begin < size; begin += kBlock) {
    const int64_t end = std::min(size, begin + kBlock);
    float lanes[kLanes] = {};
    int64_t i = begin;
    for (; i + kLanes <= end; i += kLanes) {
      for (int64_t j = 0; j < kLanes; ++j) lanes[j] += x[i + j] * x[i + j];
    }
    for (; i < end; ++i) lanes[0] += x[i] * x[i];
    for (int64_t j = 0; j < kLanes; ++j) total += lanes[j];
  }
  return total;
}

ANABRANCH_FUNCTION_CLONES void AdamKernel(const AdamKernelArguments& arguments,
                                          const float* __restrict gradient, int64_t size,
                                          float* __restrict values, float* __restrict first_moment,
                                          float* __restrict second_moment) {
  const AdamKernelArguments a = arguments;
  const float rest1 = 1 - a.beta1, rest2 = 1 - a.beta2;
  for (int64_t i = 0; i < size; ++i) {
    const float g = a.gradient_scale * gradient[i];
    const float m = a.beta1 * first_moment[i] + rest1 * g;
    const float v = a.beta2 * second_moment[i] + rest2 * g * g;
    first_moment[i] = m;
    second_moment[i] = v;
    values[i] = a.decay * values[i] - a.rate * m / (std::sqrt(v) + a.epsilon);
  }
}

void AdamTensors(const AdamKernelArguments& arguments, const at::Tensor& gradient,
                 at::Tensor values, at::Tensor first_moment, at::Tensor second_moment) {
  const at::Tensor g = gradient * arguments.gradient_scale;
  first_moment.mul_(arguments.beta1).add_(g, 1 - arguments.beta1);
  second_moment.mul_(arguments.beta2).addcmul_(g, g, 1 - arguments.beta2);
  values.mul_(arguments.decay)
      .addcdiv_(first_moment, second_moment.sqrt().add_(arguments.epsilon), -arguments.rate);
}

}  // namespace anabranch
