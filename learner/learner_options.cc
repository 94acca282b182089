#include "learner/learner_options.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "runtime/components/sampling.h"

namespace anabranch {
namespace {

LearningRateSchedule ScheduleFromConfig(v1::LearningRateSchedule kind) {
  switch (kind) {
    case v1::LEARNING_RATE_SCHEDULE_LINEAR:
      return LearningRateSchedule::kLinear;
    case v1::LEARNING_RATE_SCHEDULE_COSINE:
      return LearningRateSchedule::kCosine;
    default:
      return LearningRateSchedule::kConstant;
  }
}

}  // namespace

absl::Status LearnerOptions::Validate() const {
  if (identity.run_id.empty() || identity.environment_fingerprint.empty()) {
    return absl::InvalidArgumentError("a learner needs run_id and environment_fingerprint");
  }
  if (generation < 1) return absl::InvalidArgumentError("generation is 0; the first is 1");
  if (publish_every_steps < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("learner.publish_every_steps is ", publish_every_steps, "; give at least 1"));
  }
  return training.Validate();
}

TrainingStepOptions TrainingStepOptionsFromConfig(const v1::LearnerConfig& config) {
  const v1::OptimizerConfig& optimizer = config.optimizer();
  TrainingStepOptions options;
  options.adam.learning_rate = optimizer.learning_rate();
  options.adam.log_z_learning_rate = optimizer.log_z_learning_rate();
  options.adam.beta1 = optimizer.beta1();
  options.adam.beta2 = optimizer.beta2();
  options.adam.epsilon = optimizer.epsilon();
  options.adam.weight_decay = optimizer.weight_decay();
  options.adam.max_gradient_norm = optimizer.max_gradient_norm();
  const v1::ScheduleConfig& schedule = optimizer.schedule();
  options.learning_rate.schedule = ScheduleFromConfig(schedule.kind());
  options.learning_rate.warmup_steps = static_cast<int64_t>(schedule.warmup_steps());
  options.learning_rate.decay_steps = static_cast<int64_t>(
      schedule.decay_steps() == 0 ? config.max_steps() : schedule.decay_steps());
  options.learning_rate.final_fraction = schedule.final_fraction();
  return options;
}

std::vector<std::string> LossTablesFromConfig(const v1::ReplayConfig& config) {
  std::vector<std::string> tables;
  for (const v1::TableShare& share : MixtureFromConfig(config)) {
    std::string& name = tables.emplace_back();
    for (const v1::ReplayTableConfig& table : config.tables()) {
      if (table.name() == share.table() && table.priority() == v1::REPLAY_PRIORITY_LOSS) {
        name = table.name();
      }
    }
  }
  return tables;
}

bool HasLossTables(const v1::ReplayConfig& config) {
  const std::vector<std::string> tables = LossTablesFromConfig(config);
  return std::any_of(tables.begin(), tables.end(), [](const auto& name) { return !name.empty(); });
}

}  // namespace anabranch
