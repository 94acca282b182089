#include "learner/learner_options.h"

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

}  // namespace anabranch
