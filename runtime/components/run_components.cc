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

namespace {

absl::StatusOr<RunComponents> Assemble(const v1::RunConfig& config,
                                       std::unique_ptr<const Environment> environment,
                                       absl::StatusOr<RewardComponents> reward) {
  if (!reward.ok()) return reward.status();
  auto objective = MakeObjective(config.objective());
  if (!objective.ok()) return objective.status();
  RunComponents components;
  components.environment = std::move(environment);
  components.reward = std::move(reward->function);
  components.reward_fingerprint = std::move(reward->fingerprint);
  components.shaping = std::make_unique<RewardShaping>(std::move(reward->shaping));
  components.objective = *std::move(objective);
  return components;
}

}  // namespace

absl::StatusOr<RunComponents> MakeRunComponents(const v1::RunConfig& config) {
  auto environment = MakeEnvironment(config.environment());
  if (!environment.ok()) return environment.status();
  return Assemble(config, *std::move(environment), MakeRewardComponents(config));
}

absl::StatusOr<RunComponents> MakeRunComponents(const v1::RunConfig& config,
                                                std::unique_ptr<const Environment> environment,
                                                std::shared_ptr<const RewardFunction> reward) {
  return Assemble(config, std::move(environment), MakeRewardComponents(config, std::move(reward)));
}

}  // namespace anabranch
