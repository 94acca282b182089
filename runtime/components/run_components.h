// All that a configuration names, made at once.
#ifndef ANABRANCH_RUNTIME_COMPONENTS_RUN_COMPONENTS_H_
#define ANABRANCH_RUNTIME_COMPONENTS_RUN_COMPONENTS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "anabranch/v1/config.pb.h"
#include "gflownet/environment/environment.h"
#include "gflownet/environment/reward_function.h"
#include "gflownet/objective/objective.h"
#include "gflownet/policy/model.h"
#include "gflownet/reward_shaping/reward_shaping.h"

namespace anabranch {

// Everything of a run that doesn't change while it runs. Thread-safe.
struct RunComponents {
  std::unique_ptr<const Environment> environment;
  // See RewardComponents: null where only the user's oracles know the values.
  std::shared_ptr<const RewardFunction> reward;
  std::string reward_fingerprint;
  std::unique_ptr<const RewardShaping> shaping;
  std::unique_ptr<const Objective> objective;

  // A model with this run's initial weights.
  absl::StatusOr<Model> MakeModel(const v1::RunConfig& config, at::Device device = at::kCPU) const;
};

// Of a configuration with its defaults filled in. Errors name the key.
absl::StatusOr<RunComponents> MakeRunComponents(const v1::RunConfig& config);

// The same with an environment and a reward of the caller's own, which no configuration knows.
absl::StatusOr<RunComponents> MakeRunComponents(const v1::RunConfig& config,
                                                std::unique_ptr<const Environment> environment,
                                                std::shared_ptr<const RewardFunction> reward);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_COMPONENTS_RUN_COMPONENTS_H_
