#include "runtime/components/run_components.h"

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/components/environment_components.h"
#include "runtime/components/model_components.h"
#include "runtime/components/reward_components.h"

namespace anabranch {

absl::StatusOr<Model> RunComponents::MakeModel(const v1::RunConfig& config,
                                               at::Device device) const {
  return MakeModelFromConfig(config, environment->spec(), *objective, device);
}

namespace {

// A reward that stands beside oracles must be of the same columns.
absl::Status CheckBeside(std::span<const ObjectiveInfo> named, const RewardFunction& reward) {
  const auto same = [](const ObjectiveInfo& a, const ObjectiveInfo& b) { return a.name == b.name; };
  const std::span<const ObjectiveInfo> own = reward.objectives();
  if (std::equal(named.begin(), named.end(), own.begin(), own.end(), same)) return absl::OkStatus();
  const auto add_name = [](std::string* out, const ObjectiveInfo& info) { *out += info.name; };
  return absl::InvalidArgumentError(absl::StrCat(
      "reward_shaping.objectives are ", absl::StrJoin(named, ", ", add_name), ", and ",
      reward.fingerprint(), ", which stands beside reward.oracles, computes ",
      absl::StrJoin(own, ", ", add_name), "; give the same, or leave the built-in reward out"));
}

}  // namespace

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
  if (!config.reward().oracles().empty() && reward != nullptr) {
    if (absl::Status status = CheckBeside(named, *reward); !status.ok()) return status;
  }
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
