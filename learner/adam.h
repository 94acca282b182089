// Adam over one flat buffer of parameters.
#ifndef ANABRANCH_LEARNER_ADAM_H_
#define ANABRANCH_LEARNER_ADAM_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "gflownet/policy/parameters.h"
#include "learner/adam_kernel.h"

namespace anabranch {

struct AdamOptions {
  double learning_rate = 1e-3;
  double log_z_learning_rate = 0.1;  // Of ParameterGroup::kLogZ.
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;       // Decoupled (AdamW, arXiv 1711.05101); never on log Z.
  double max_gradient_norm = 0.0;  // Of all parameters together; 0 = no clipping.
  // Computes by tensor operations even where the fused CPU pass could.
  bool reference = false;

  absl::Status Validate() const;
};

// Adam (arXiv 1412.6980) with bias correction. One fused pass over each segment on the CPU; the
// same arithmetic by tensor operations on other devices. Not thread-safe.
class Adam {
 public:
  Adam(const AdamOptions& options, Parameters& parameters);

  // One update with the gradient in Parameters::gradient(), rates multiplied by `rate_factor`.
  // Returns the gradient's norm before clipping. When the norm is not finite nothing is changed and
  // the step is not counted.
  double Step(double rate_factor);
  // The same where the norm is known already, and finite. Doesn't wait for the device.
  void Apply(double rate_factor, double gradient_norm);

  // Updates made so far.
  int64_t step() const { return step_; }
  // First and second moments, flat as the parameters: what a checkpoint keeps, with step().
  const at::Tensor& first_moment() const { return first_moment_; }
  const at::Tensor& second_moment() const { return second_moment_; }
  void set_step(int64_t step) { step_ = step; }

 private:
  struct Range {  // Of the flat buffer, with one rate.
    int64_t offset;
    int64_t size;
    ParameterGroup group;
  };
  void ApplyTo(const AdamKernelArguments& arguments, const Range& range);

  AdamOptions options_;
  Parameters& parameters_;
  int64_t step_ = 0;
  at::Tensor first_moment_;
  at::Tensor second_moment_;
  std::vector<Range> ranges_;
};

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_ADAM_H_
