#include "learner/training_step.h"

#include <ATen/Functions.h>

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gflownet/lap.h"

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

at::Tensor LongTensor(const std::vector<int32_t>& values, at::Device device) {
  at::Tensor result = at::empty({static_cast<int64_t>(values.size())}, at::kLong);
  std::copy(values.begin(), values.end(), result.data_ptr<int64_t>());
  return result.to(device);
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
      adam_(options.adam, *model.parameters),
      rows_(model.policy->observation()) {}

absl::StatusOr<TrainingResult> TrainingStep::Run(const Trajectories& trajectories,
                                                 std::span<const float> log_rewards) {
  if (trajectories.size() == 0) return absl::InvalidArgumentError("trajectories is empty");
  if (absl::Status status = CheckLogRewards(trajectories.size(), log_rewards); !status.ok()) {
    return status;
  }
  Lap lap;
  if (absl::Status status = BuildStateRows(environment_, trajectories, rows_); !status.ok()) {
    return status;
  }
  lap.Add(times_.build);
  const at::Device device = model_.parameters->values().device();
  model_.parameters->ZeroGradient();
  const RowLogProbs probs = model_.policy->LogProb(rows_);
  ObjectiveInput input{probs.log_pf,
                       probs.log_pb,
                       probs.log_flow,
                       LongTensor(rows_.trajectory, device),
                       LongTensor(rows_.step, device),
                       at::empty({trajectories.size()}, at::kFloat),
                       model_.LogZ()};
  std::copy(log_rewards.begin(), log_rewards.end(), input.log_reward.data_ptr<float>());
  input.log_reward = input.log_reward.to(device);
  const ObjectiveOutput output = objective_.Compute(input);
  TrainingResult result;
  result.transitions = rows_.rows;
  result.loss = output.loss.item<double>();
  result.trajectory_loss.resize(trajectories.size());
  const at::Tensor losses = output.trajectory_loss.to(at::kCPU).contiguous();
  std::copy_n(losses.data_ptr<float>(), losses.numel(), result.trajectory_loss.begin());
  if (!std::isfinite(result.loss)) return result;
  output.loss.backward();
  lap.Add(times_.forward_backward);
  result.gradient_norm = adam_.Step(learning_rate_.Factor(adam_.step()));
  result.applied = std::isfinite(result.gradient_norm);
  lap.Add(times_.optimizer);
  result.log_z = model_.log_z_segment >= 0         ? model_.LogZ().item<double>()
                 : output.log_z_estimate.defined() ? output.log_z_estimate.item<double>()
                                                   : 0.0;
  return result;
}

}  // namespace anabranch
