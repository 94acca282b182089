#include "learner/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "absl/strings/str_cat.h"

namespace anabranch {

absl::Status LearningRateOptions::Validate() const {
  auto refuse = [](absl::string_view field, auto value, absl::string_view remedy) {
    return absl::InvalidArgumentError(
        absl::StrCat("learner.optimizer.schedule.", field, " is ", value, "; ", remedy));
  };
  if (warmup_steps < 0) return refuse("warmup_steps", warmup_steps, "give 0 or more");
  if (schedule != LearningRateSchedule::kConstant && decay_steps <= warmup_steps) {
    return refuse("decay_steps", decay_steps,
                  absl::StrCat("give more than warmup_steps, which is ", warmup_steps));
  }
  if (!(final_fraction >= 0 && final_fraction <= 1)) {
    return refuse("final_fraction", final_fraction, "give a number in [0, 1]");
  }
  return absl::OkStatus();
}

double LearningRateOptions::Factor(int64_t step) const {
  if (step < warmup_steps) {
    return static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  }
  if (schedule == LearningRateSchedule::kConstant) return 1.0;
  const double progress = std::min(1.0, static_cast<double>(step - warmup_steps) /
                                            static_cast<double>(decay_steps - warmup_steps));
  const double remaining = schedule == LearningRateSchedule::kLinear
                               ? 1.0 - progress
                               : 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
  return final_fraction + (1.0 - final_fraction) * remaining;
}

}  // namespace anabranch
