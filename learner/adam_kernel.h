// The arithmetic of one Adam update.
#ifndef ANABRANCH_LEARNER_ADAM_KERNEL_H_
#define ANABRANCH_LEARNER_ADAM_KERNEL_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace anabranch {

// Constants of one step; bias corrections are folded into rate and epsilon.
struct AdamKernelArguments {
  float gradient_scale = 1;  // Clipping.
  float beta1 = 0;
  float beta2 = 0;
  float rate = 0;
  float epsilon = 0;
  float decay = 1;  // Parameters are multiplied with it first.
};

// Σ x², accumulated in double over blocks, so that clipping doesn't depend on the buffer's length.
double SumOfSquares(const float* x, int64_t size);

// One pass over `size` floats:
//   g ← scale·g;  m ← β1·m + (1−β1)·g;  v ← β2·v + (1−β2)·g²;  θ ← decay·θ − rate·m / (√v + ε).
void AdamKernel(const AdamKernelArguments& arguments, const float* gradient, int64_t size,
                float* values, float* first_moment, float* second_moment);

// The same by tensor operations, for other devices.
void AdamTensors(const AdamKernelArguments& arguments, const at::Tensor& gradient,
                 at::Tensor values, at::Tensor first_moment, at::Tensor second_moment);

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_ADAM_KERNEL_H_
