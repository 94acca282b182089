// From configuration to reward shaping. Links no LibTorch.
#ifndef ANABRANCH_RUNTIME_COMPONENTS_REWARD_COMPONENTS_H_
#define ANABRANCH_RUNTIME_COMPONENTS_REWARD_COMPONENTS_H_

#include <span>
#include <string>
#include <vector>

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

// The objectives that the configuration names, in its order: the columns of a run whose values come
// from oracles of the user's own.
std::vector<ObjectiveInfo> NamedObjectives(const v1::RewardShapingConfig& config);

// "oracles(docking, qed): affinity, qed", of a configuration with oracles.
std::string OraclesFingerprint(const v1::RunConfig& config);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_COMPONENTS_REWARD_COMPONENTS_H_
