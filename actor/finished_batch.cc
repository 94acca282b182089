#include "actor/finished_batch.h"

#include <utility>

#include "runtime/components/evaluated_trajectories.h"

namespace anabranch {

absl::StatusOr<int64_t> TakeRewards(RewardColumns rewards, const RewardShaping& shaping,
                                    EvaluatedTrajectories& columns, std::string* why) {
  columns.rewards = std::move(rewards);
  ShapedRewards shaped;
  if (absl::Status status = shaping.Shape(columns.rewards, shaped); !status.ok()) return status;
  if (why != nullptr && !columns.rewards.reasons.empty()) {
    for (size_t i = 0; i < shaped.used.size() && why->empty(); ++i) {
      if (shaped.used[i] == 0) *why = columns.rewards.reasons[i];
    }
  }
  columns.log_rewards = std::move(shaped.log_rewards);
  return KeepTrajectories(shaped.used, columns);
}

}  // namespace anabranch
