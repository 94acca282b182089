#include "learner/adam.h"

#include <ATen/Functions.h>

#include <cmath>

#include "absl/strings/str_cat.h"
#include "learner/adam_kernel.h"

namespace anabranch {

absl::Status AdamOptions::Validate() const {
  auto refuse = [](absl::string_view field, double value, absl::string_view remedy) {
    return absl::InvalidArgumentError(
        absl::StrCat("learner.optimizer.", field, " is ", value, "; ", remedy));
  };
  auto positive = [](double x) { return std::isfinite(x) && x > 0; };
  auto fraction = [](double x) { return x >= 0 && x < 1; };
  auto not_negative = [](double x) { return std::isfinite(x) && x >= 0; };
  if (!positive(learning_rate)) {
    return refuse("learning_rate", learning_rate, "give a positive number");
  }
  if (!not_negative(log_z_learning_rate)) {
    return refuse("log_z_learning_rate", log_z_learning_rate, "give 0 or more");
  }
  if (!fraction(beta1)) return refuse("beta1", beta1, "give a number in [0, 1)");
  if (!fraction(beta2)) return refuse("beta2", beta2, "give a number in [0, 1)");
  if (!positive(epsilon)) return refuse("epsilon", epsilon, "give a positive number");
  if (!not_negative(weight_decay)) return refuse("weight_decay", weight_decay, "give 0 or more");
  if (!not_negative(max_gradient_norm)) {
    return refuse("max_gradient_norm", max_gradient_norm, "give 0 (no clipping) or more");
  }
  return absl::OkStatus();
}

Adam::Adam(const AdamOptions& options, Parameters& parameters)
    : options_(options),
      parameters_(parameters),
      first_moment_(at::zeros_like(parameters.values())),
      second_moment_(at::zeros_like(parameters.values())) {
  const bool fused = parameters.values().is_cpu() && !options.reference;
  for (const ParameterSegment& segment : parameters.segments()) {
    // Each operation is a kernel's launch elsewhere, so neighbours go together, with the padding
    // between them, which stays 0.
    if (!fused && !ranges_.empty() && ranges_.back().group == segment.group) {
      ranges_.back().size = segment.offset + segment.size - ranges_.back().offset;
    } else {
      ranges_.push_back({segment.offset, segment.size, segment.group});
    }
  }
}

double Adam::Step(double rate_factor) {
  const at::Tensor& gradient = parameters_.gradient();
  const double norm = gradient.is_cpu()
                          ? std::sqrt(SumOfSquares(gradient.data_ptr<float>(), gradient.numel()))
                          : gradient.norm().item<double>();
  if (std::isfinite(norm)) Apply(rate_factor, norm);
  return norm;
}

void Adam::Apply(double rate_factor, double norm) {
  ++step_;
  AdamKernelArguments arguments;
  const double limit = options_.max_gradient_norm;
  arguments.gradient_scale = limit > 0 && norm > limit ? static_cast<float>(limit / norm) : 1.0f;
  arguments.beta1 = static_cast<float>(options_.beta1);
  arguments.beta2 = static_cast<float>(options_.beta2);
  const auto steps = static_cast<double>(step_);
  const double correction1 = 1.0 - std::pow(options_.beta1, steps);
  const double correction2 = std::sqrt(1.0 - std::pow(options_.beta2, steps));
  // θ −= rate/c1 · m / (√v/√c2 + ε), with the constants of the step drawn out of the loop.
  arguments.epsilon = static_cast<float>(options_.epsilon * correction2);
  for (const Range& range : ranges_) {
    const bool log_z = range.group == ParameterGroup::kLogZ;
    const double rate =
        rate_factor * (log_z ? options_.log_z_learning_rate : options_.learning_rate);
    arguments.rate = static_cast<float>(rate * correction2 / correction1);
    arguments.decay = log_z ? 1.0f : static_cast<float>(1.0 - rate * options_.weight_decay);
    ApplyTo(arguments, range);
  }
}

void Adam::ApplyTo(const AdamKernelArguments& arguments, const Range& range) {
  const at::Tensor& gradient = parameters_.gradient();
  if (gradient.is_cpu() && !options_.reference) {
    AdamKernel(arguments, gradient.data_ptr<float>() + range.offset, range.size,
               parameters_.values().data_ptr<float>() + range.offset,
               first_moment_.data_ptr<float>() + range.offset,
               second_moment_.data_ptr<float>() + range.offset);
    return;
  }
  auto part = [&](const at::Tensor& flat) { return flat.narrow(0, range.offset, range.size); };
  AdamTensors(arguments, part(gradient), part(parameters_.values()), part(first_moment_),
              part(second_moment_));
}

}  // namespace anabranch
