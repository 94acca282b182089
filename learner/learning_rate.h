// Learning rates over the course of a run.
#ifndef ANABRANCH_LEARNER_LEARNING_RATE_H_
#define ANABRANCH_LEARNER_LEARNING_RATE_H_

#include <cstdint>

#include "absl/status/status.h"

namespace anabranch {

enum class LearningRateSchedule { kConstant, kLinear, kCosine };

// Constant rates keep TB oscillating late in a run; decay is what reaches small total variation.
struct LearningRateOptions {
  LearningRateSchedule schedule = LearningRateSchedule::kConstant;
  int64_t warmup_steps = 0;     // The rate rises linearly over these first steps.
  int64_t decay_steps = 0;      // Steps, counted from 0, after which the final fraction is reached.
  double final_fraction = 0.0;  // Of the base rate, reached at decay_steps and kept.

  absl::Status Validate() const;
  // What the base learning rate is multiplied with at step ≥ 0.
  double Factor(int64_t step) const;
};

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_LEARNING_RATE_H_
