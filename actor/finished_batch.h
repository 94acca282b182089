// From a batch's raw values to what replay is handed.
#ifndef ANABRANCH_ACTOR_FINISHED_BATCH_H_
#define ANABRANCH_ACTOR_FINISHED_BATCH_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gflownet/reward_shaping/reward_shaping.h"
#include "runtime/trajectory_codec.h"

namespace anabranch {

// Gives the batch its rewards and leaves out what reward shaping does. Returns how many that were;
// with `why`, the first of their reasons, where one is given. INVALID_ARGUMENT as
// RewardShaping::Shape.
absl::StatusOr<int64_t> TakeRewards(RewardColumns rewards, const RewardShaping& shaping,
                                    EvaluatedTrajectories& columns, std::string* why = nullptr);

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_FINISHED_BATCH_H_
