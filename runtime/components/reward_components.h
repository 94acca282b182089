// From configuration to reward shaping. Links no LibTorch.
#ifndef ANABRANCH_RUNTIME_COMPONENTS_REWARD_COMPONENTS_H_
#define ANABRANCH_RUNTIME_COMPONENTS_REWARD_COMPONENTS_H_

#include <memory>
#include <span>
#include <string>

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

// What a run knows of its rewards.
struct RewardComponents {
  // The built-in reward; null where only the user's oracles know the values. Beside oracles it is
  // what the learned distribution is compared with, and computes nothing that is trained on.
  std::shared_ptr<const RewardFunction> function;
  // What stands in checkpoints: the built-in reward's fingerprint, or the names of the oracles and
  // their objectives. (Which versions of them answered is kept by the reward service.)
  std::string fingerprint;
  RewardShaping shaping;
};

// Of a configuration with its defaults filled in. Errors name the key; INVALID_ARGUMENT also for a
// built-in reward beside oracles that computes other objectives than the configuration names.
absl::StatusOr<RewardComponents> MakeRewardComponents(const v1::RunConfig& config);

// The same with a reward of the caller's own; null only where the configuration has oracles.
absl::StatusOr<RewardComponents> MakeRewardComponents(
    const v1::RunConfig& config, std::shared_ptr<const RewardFunction> function);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_COMPONENTS_REWARD_COMPONENTS_H_
