#include "runtime/components/run_components.h"

#include <utility>

#include "runtime/components/environment_components.h"
#include "runtime/components/model_components.h"
#include "runtime/components/reward_components.h"

namespace anabranch {

absl::StatusOr<Model> RunComponents::MakeModel(const v1::RunConfig& config,
                                               at::Device device) const {
  return MakeModelFromConfig(config, environment->spec(), *objective, device);
}

absl::StatusOr<RunComponents> MakeRunComponents(const v1::RunConfig& config) {
  auto environment = MakeEnvironment(config.environment());
  if (!environment.ok()) return environment.status();
  auto reward = MakeRewardFunction(config);
  if (!reward.ok()) return reward.status();
  return MakeRunComponents(config, *std::move(environment), *std::move(reward));
}

absl::StatusOr<RunComponents> MakeRunComponents(const v1::RunConfig& config,
                                                std::unique_ptr<const Environment> environment,
                                                std::shared_ptr<const RewardFunction> reward) {
  auto shaping = MakeRewardShaping(config.reward_shaping(), reward->objectives());
  if (!shaping.ok()) return shaping.status();
  auto objective = MakeObjective(config.objective());
  if (!objective.ok()) return objective.status();
  RunComponents components;
  components.environment = std::move(environment);
  components.reward = std::move(reward);
  components.shaping = std::make_unique<RewardShaping>(*std::move(shaping));
  components.objective = *std::move(objective);
  return components;
}

}  // namespace anabranch
