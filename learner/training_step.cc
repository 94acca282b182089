#include "learner/training_step.h"

#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gflownet/lap.h"
#include "gflownet/policy/device_copy.h"

namespace anabranch {
namespace {

absl::Status CheckLogRewards(int64_t trajectories, std::span<const float> log_rewards) {
  if (static_cast<int64_t>(log_rewards.size()) != trajectories) {
    return absl::InvalidArgumentError(absl::StrCat("log_rewards has ", log_rewards.size(),
                                                   " entries for ", trajectories, " trajectories"));
  }
  for (size_t i = 0; i < log_rewards.size(); ++i) {
    if (!std::isfinite(log_rewards[i])) {
      return absl::InvalidArgumentError(
          absl::StrCat("log_rewards[", i, "] is ", log_rewards[i], ", not a finite number"));
    }
  }
  return absl::OkStatus();
}

AdamOptions AdamOptionsOf(const TrainingStepOptions& options) {
  AdamOptions adam = options.adam;
  adam.reference |= options.reference;
  return adam;
}

at::Tensor Indices(const std::vector<int32_t>& values, at::Device device) {
  return ToDevice(values.data(), {static_cast<int64_t>(values.size())}, device).to(at::kLong);
}

}  // namespace

absl::Status TrainingStepOptions::Validate() const {
  if (absl::Status status = adam.Validate(); !status.ok()) return status;
  return learning_rate.Validate();
}

TrainingStep::TrainingStep(const TrainingStepOptions& options, const Environment& environment,
                           Model& model, const Objective& objective)
    : environment_(environment),
      model_(model),
      objective_(objective),
      learning_rate_(options.learning_rate),
      fused_(model.parameters->values().is_cpu() && !options.reference),
      adam_(AdamOptionsOf(options), *model.parameters),
      rows_(model.policy->observation()) {}

absl::StatusOr<TrainingResult> TrainingStep::Run(const Trajectories& trajectories,
                                                 std::span<const float> log_rewards) {
  if (trajectories.size() == 0) return absl::InvalidArgumentError("trajectories is empty");
  Lap lap;
  if (absl::Status status = CheckLogRewards(trajectories.size(), log_rewards); !status.ok()) {
    return status;
  }
  if (absl::Status status = BuildStateRows(environment_, trajectories, rows_); !status.ok()) {
    return status;
  }
  lap.Add(times_.build);
  return RunRows(rows_, log_rewards);
}

absl::StatusOr<TrainingResult> TrainingStep::RunRows(const StateRows& rows,
                                                     std::span<const float> log_rewards) {
  const int64_t n = rows.num_trajectories;
  if (n == 0) return absl::InvalidArgumentError("rows is empty");
  if (absl::Status status = CheckLogRewards(n, log_rewards); !status.ok()) return status;
  Lap lap;
  const at::Device device = model_.parameters->values().device();
  model_.parameters->ZeroGradient();
  const RowLogProbs probs = model_.policy->LogProb(rows);
  const ObjectiveInput input{probs.log_pf,
                             probs.log_pb,
                             probs.log_flow,
                             Indices(rows.trajectory, device),
                             Indices(rows.step, device),
                             ToDevice(log_rewards.data(), {n}, device),
                             model_.LogZ()};
  const ObjectiveOutput output = objective_.Compute(input);
  TrainingResult result;
  result.transitions = rows.rows;
  result.trajectory_loss.resize(n);
  lap.Add(times_.forward_backward);
  if (fused_) {
    Update(output, result);
  } else {
    UpdateOnDevice(output, result);
  }
  return result;
}

void TrainingStep::Update(const ObjectiveOutput& output, TrainingResult& result) {
  Lap lap;
  result.loss = output.loss.item<double>();
  const at::Tensor losses = output.trajectory_loss.contiguous();
  std::copy_n(losses.data_ptr<float>(), losses.numel(), result.trajectory_loss.begin());
  if (!std::isfinite(result.loss)) return;
  output.loss.backward();
  lap.Add(times_.forward_backward);
  result.gradient_norm = adam_.Step(learning_rate_.Factor(adam_.step()));
  result.applied = std::isfinite(result.gradient_norm);
  lap.Add(times_.optimizer);
  result.log_z = model_.log_z_segment >= 0         ? model_.LogZ().item<double>()
                 : output.log_z_estimate.defined() ? output.log_z_estimate.item<double>()
                                                   : 0.0;
}

void TrainingStep::UpdateOnDevice(const ObjectiveOutput& output, TrainingResult& result) {
  Lap lap;
  output.loss.backward();
  // All that is to be known comes in one copy, which is the only wait of the step.
  at::NoGradGuard no_grad;
  const at::Tensor log_z = model_.log_z_segment >= 0         ? model_.LogZ().detach()
                           : output.log_z_estimate.defined() ? output.log_z_estimate.detach()
                                                             : at::zeros_like(output.loss);
  const at::Tensor numbers =
      at::cat({output.loss.detach().view({1}), model_.parameters->gradient().norm().view({1}),
               log_z.view({1}), output.trajectory_loss.view({-1})})
          .to(at::kCPU);
  const float* number = numbers.data_ptr<float>();
  result.loss = number[0];
  result.gradient_norm = number[1];
  result.log_z = number[2];
  std::copy_n(number + 3, result.trajectory_loss.size(), result.trajectory_loss.begin());
  result.applied = std::isfinite(result.loss) && std::isfinite(result.gradient_norm);
  lap.Add(times_.forward_backward);
  if (result.applied) adam_.Apply(learning_rate_.Factor(adam_.step()), result.gradient_norm);
  lap.Add(times_.optimizer);
}

}  // namespace anabranch
