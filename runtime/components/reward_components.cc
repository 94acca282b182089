#include "runtime/components/reward_components.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

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

std::string OraclesFingerprint(const v1::RunConfig& config) {
  std::vector<std::string> oracles, objectives;
  for (const v1::OracleConfig& oracle : config.reward().oracles()) oracles.push_back(oracle.name());
  for (const v1::ObjectiveShaping& objective : config.reward_shaping().objectives()) {
    objectives.push_back(objective.name());
  }
  return absl::StrCat("oracles(", absl::StrJoin(oracles, ", "),
                      "): ", absl::StrJoin(objectives, ", "));
}

}  // namespace anabranch
