// From configuration to reward shaping. Links no LibTorch.
#ifndef ANABRANCH_RUNTIME_COMPONENTS_REWARD_COMPONENTS_H_
#define ANABRANCH_RUNTIME_COMPONENTS_REWARD_COMPONENTS_H_

#include <span>

#include "absl/status/statusor.h"
#include "anabranch/v1/config.pb.h"
#include "gflownet/environment/reward_function.h"
#include "gflownet/reward_shaping/reward_shaping.h"

namespace anabranch {

// The shaping of a run whose oracle has these objectives, in this order. Objectives that the
// configuration leaves out count nothing; if it names none, all count. INVALID_ARGUMENT names an
// objective that the oracle doesn't have, and those that it has.
absl::StatusOr<RewardShaping> MakeRewardShaping(const v1::RewardShapingConfig& config,
                                                std::span<const ObjectiveInfo> objectives);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_COMPONENTS_REWARD_COMPONENTS_H_
