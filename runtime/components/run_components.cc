#include "runtime/components/run_components.h"

#include <span>
#include <utility>
#include <vector>

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
  std::shared_ptr<const RewardFunction> function;
  if (config.reward().oracle_case() != v1::RewardConfig::ORACLE_NOT_SET ||
      config.reward().oracles().empty()) {
    auto reward = MakeRewardFunction(config);
    if (!reward.ok()) return reward.status();
    function = *std::move(reward);
  }
  return MakeRunComponents(config, *std::move(environment), std::move(function));
}

absl::StatusOr<RunComponents> MakeRunComponents(const v1::RunConfig& config,
                                                std::unique_ptr<const Environment> environment,
                                                std::shared_ptr<const RewardFunction> reward) {
  const std::vector<ObjectiveInfo> named = NamedObjectives(config.reward_shaping());
  auto shaping = MakeRewardShaping(config.reward_shaping(), config.reward().oracles().empty()
                                                                ? reward->objectives()
                                                                : std::span(named));
  if (!shaping.ok()) return shaping.status();
  auto objective = MakeObjective(config.objective());
  if (!objective.ok()) return objective.status();
  RunComponents components;
  components.environment = std::move(environment);
  components.reward_fingerprint =
      config.reward().oracles().empty() ? reward->fingerprint() : OraclesFingerprint(config);
  components.reward = std::move(reward);
  components.shaping = std::make_unique<RewardShaping>(*std::move(shaping));
  components.objective = *std::move(objective);
  return components;
}

}  // namespace anabranch
