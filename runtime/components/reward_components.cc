#include "runtime/components/reward_components.h"

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/components/environment_components.h"

namespace anabranch {
namespace {

Scalarisation ScalarisationOf(v1::Scalarisation scalarisation) {
  switch (scalarisation) {
    case v1::SCALARISATION_PRODUCT:
      return Scalarisation::kProduct;
    case v1::SCALARISATION_GEOMETRIC_MEAN:
      return Scalarisation::kGeometricMean;
    default:
      return Scalarisation::kWeightedSum;
  }
}

ValueTransform TransformOf(const v1::ObjectiveShaping& objective) {
  ValueTransform transform;
  if (objective.has_clip_min()) transform.clip_min = objective.clip_min();
  if (objective.has_clip_max()) transform.clip_max = objective.clip_max();
  switch (objective.desirability_case()) {
    case v1::ObjectiveShaping::kMinMax:
      transform.desirability =
          MinMaxDesirability{objective.min_max().from(), objective.min_max().to()};
      break;
    case v1::ObjectiveShaping::kSigmoid:
      transform.desirability =
          SigmoidDesirability{objective.sigmoid().midpoint(), objective.sigmoid().slope()};
      break;
    case v1::ObjectiveShaping::kGaussian:
      transform.desirability =
          GaussianDesirability{objective.gaussian().target(), objective.gaussian().width()};
      break;
    case v1::ObjectiveShaping::DESIRABILITY_NOT_SET:
      break;
  }
  return transform;
}

bool IsLog(const v1::RewardShapingConfig& config, std::span<const ObjectiveInfo> objectives) {
  if (config.scale() == v1::REWARD_SCALE_UNSPECIFIED) {
    return std::all_of(objectives.begin(), objectives.end(),
                       [](const ObjectiveInfo& objective) { return objective.is_log; });
  }
  return config.scale() == v1::REWARD_SCALE_LOG;
}

}  // namespace

absl::StatusOr<RewardShaping> MakeRewardShaping(const v1::RewardShapingConfig& config,
                                                std::span<const ObjectiveInfo> objectives) {
  RewardShapingOptions options;
  options.scale = IsLog(config, objectives) ? RewardScale::kLog : RewardScale::kLinear;
  options.exponent = config.exponent();
  options.min_log_reward = config.min_log_reward();
  options.invalid =
      config.invalid() == v1::INVALID_POLICY_FLOOR ? InvalidPolicy::kFloor : InvalidPolicy::kReject;
  options.scalarisation = ScalarisationOf(config.scalarisation());
  std::vector<std::string> names;
  for (const ObjectiveInfo& objective : objectives) {
    names.push_back(objective.name);
    const double weight = config.objectives().empty() ? 1.0 : 0.0;
    options.objectives.push_back({objective.name, weight, objective.maximize, {}});
  }
  for (const v1::ObjectiveShaping& from : config.objectives()) {
    const auto at = std::find(names.begin(), names.end(), from.name());
    if (at == names.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("reward_shaping.objectives names '", from.name(),
                       "', which the oracle doesn't have; it has ", absl::StrJoin(names, ", ")));
    }
    ObjectiveShaping& to = options.objectives[at - names.begin()];
    to.weight = from.has_weight() ? from.weight() : 1.0;
    to.maximize = from.direction() != v1::OBJECTIVE_DIRECTION_MINIMIZE;
    to.transform = TransformOf(from);
  }
  return RewardShaping::Create(options);
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

// The objectives that the configuration names, in its order.
std::vector<ObjectiveInfo> NamedObjectives(const v1::RewardShapingConfig& config) {
  std::vector<ObjectiveInfo> objectives;
  for (const v1::ObjectiveShaping& objective : config.objectives()) {
    ObjectiveInfo& info = objectives.emplace_back();
    info.name = objective.name();
    info.maximize = objective.direction() != v1::OBJECTIVE_DIRECTION_MINIMIZE;
    info.is_log = config.scale() == v1::REWARD_SCALE_LOG;
  }
  return objectives;
}

// "oracles(docking, qed): affinity, qed".
std::string OraclesFingerprint(const v1::RunConfig& config) {
  std::vector<std::string> oracles, objectives;
  for (const v1::OracleConfig& oracle : config.reward().oracles()) oracles.push_back(oracle.name());
  for (const v1::ObjectiveShaping& objective : config.reward_shaping().objectives()) {
    objectives.push_back(objective.name());
  }
  return absl::StrCat("oracles(", absl::StrJoin(oracles, ", "),
                      "): ", absl::StrJoin(objectives, ", "));
}

}  // namespace

absl::StatusOr<RewardComponents> MakeRewardComponents(const v1::RunConfig& config) {
  const bool built_in = config.reward().oracle_case() != v1::RewardConfig::ORACLE_NOT_SET;
  if (!built_in && !config.reward().oracles().empty()) return MakeRewardComponents(config, nullptr);
  auto function = MakeRewardFunction(config);
  if (!function.ok()) return function.status();
  return MakeRewardComponents(config, *std::move(function));
}

absl::StatusOr<RewardComponents> MakeRewardComponents(
    const v1::RunConfig& config, std::shared_ptr<const RewardFunction> function) {
  const bool oracles = !config.reward().oracles().empty();
  const std::vector<ObjectiveInfo> named = NamedObjectives(config.reward_shaping());
  if (oracles && function != nullptr) {
    if (absl::Status status = CheckBeside(named, *function); !status.ok()) return status;
  }
  auto shaping = MakeRewardShaping(config.reward_shaping(),
                                   oracles ? std::span(named) : function->objectives());
  if (!shaping.ok()) return shaping.status();
  std::string fingerprint = oracles ? OraclesFingerprint(config) : function->fingerprint();
  return RewardComponents{std::move(function), std::move(fingerprint), *std::move(shaping)};
}

}  // namespace anabranch
