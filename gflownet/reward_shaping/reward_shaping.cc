#include "gflownet/reward_shaping/reward_shaping.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "gflownet/environment/exact_decimal.h"
#include "gflownet/environment/key.h"
#include "gflownet/seeded_fault.h"

namespace anabranch {
namespace {

absl::Status Refuse(absl::string_view field, double value, absl::string_view remedy) {
  return absl::InvalidArgumentError(
      absl::StrCat("reward_shaping.", field, " is ", value, "; ", remedy));
}

absl::Status WrongLength(absl::string_view column, size_t found, size_t expected) {
  return absl::InvalidArgumentError(absl::StrCat("reward column ", column, " has ", found,
                                                 " entries where ", expected, " are needed"));
}

// Every option, in words: equal texts are equal functions.
std::string CanonicalText(const RewardShapingOptions& options) {
  std::string text = absl::StrCat(
      "reward-shaping/1 scale=", options.scale == RewardScale::kLinear ? "linear" : "log",
      " exponent=", ExactDecimal(options.exponent),
      " min_log_reward=", ExactDecimal(options.min_log_reward),
      " invalid=", options.invalid == InvalidPolicy::kReject ? "reject" : "floor");
  // What is as it was before there was a choice leaves no word, so that old hashes stay good.
  if (options.scalarisation == Scalarisation::kProduct) text += " product";
  if (options.scalarisation == Scalarisation::kGeometricMean) text += " geometric_mean";
  for (const ObjectiveShaping& objective : options.objectives) {
    absl::StrAppend(&text, " objective=", objective.name.size(), ":", objective.name,
                    objective.maximize ? "+" : "-", ExactDecimal(objective.weight),
                    objective.transform.CanonicalText());
  }
  return text;
}

absl::Status CheckObjective(const ObjectiveShaping& objective, RewardScale scale) {
  const std::string field = absl::StrCat("objectives[", objective.name, "]");
  if (!(std::isfinite(objective.weight) && objective.weight >= 0)) {
    return Refuse(field + ".weight", objective.weight, "give 0 or more");
  }
  if (!objective.maximize && objective.transform.is_desirability()) {
    return absl::InvalidArgumentError(
        absl::StrCat("reward_shaping.", field,
                     ".direction is minimize beside a desirability, which has a direction of its "
                     "own; leave it out, and turn the desirability round"));
  }
  if (scale == RewardScale::kLinear && !objective.maximize && objective.weight > 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "reward_shaping.", field,
        ".direction is minimize on a linear scale, where the reward would be negative; make it a "
        "desirability, such as min_max: {from: 10, to: 0}, or give reward_shaping.scale: log"));
  }
  return objective.transform.Validate(absl::StrCat("reward_shaping.", field));
}

}  // namespace

absl::Status RewardShapingOptions::Validate() const {
  if (!(std::isfinite(exponent) && exponent > 0)) {
    return Refuse("exponent", exponent, "give a positive number");
  }
  if (!std::isfinite(min_log_reward)) {
    return Refuse("min_log_reward", min_log_reward, "give a finite number");
  }
  if (scalarisation != Scalarisation::kWeightedSum && scale == RewardScale::kLog) {
    return absl::InvalidArgumentError(
        "reward_shaping.scalarisation multiplies, and log-rewards are added; give "
        "reward_shaping.scale: linear, or scalarisation: weighted_sum");
  }
  if (objectives.empty()) {
    return absl::InvalidArgumentError("reward_shaping.objectives is empty; give at least one");
  }
  double total = 0;
  for (const ObjectiveShaping& objective : objectives) {
    if (absl::Status status = CheckObjective(objective, scale); !status.ok()) return status;
    total += objective.weight;
  }
  if (total <= 0) {
    return absl::InvalidArgumentError("reward_shaping.objectives have only weights of 0");
  }
  return absl::OkStatus();
}

absl::StatusOr<RewardShaping> RewardShaping::Create(const RewardShapingOptions& options) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  return RewardShaping(options);
}

RewardShaping::RewardShaping(const RewardShapingOptions& options)
    : options_(options), hash_(Key128::Of(CanonicalText(options)).ToHex()) {
  for (const ObjectiveShaping& objective : options_.objectives) total_weight_ += objective.weight;
}

absl::Status RewardShaping::CheckColumns(const RewardColumns& raw) const {
  const size_t objects = raw.status.size();
  if (raw.num_objectives != static_cast<int64_t>(options_.objectives.size())) {
    return absl::InvalidArgumentError(absl::StrCat("raw values have ", raw.num_objectives,
                                                   " objectives, and reward_shaping has ",
                                                   options_.objectives.size()));
  }
  const size_t values = objects * options_.objectives.size();
  if (raw.values.size() != values) return WrongLength("values", raw.values.size(), values);
  if (raw.valid.size() != values) return WrongLength("valid", raw.valid.size(), values);
  if (!raw.reasons.empty() && raw.reasons.size() != objects) {
    return WrongLength("reasons", raw.reasons.size(), objects);
  }
  return absl::OkStatus();
}

absl::StatusOr<double> RewardShaping::Transformed(int64_t object, size_t objective,
                                                  double value) const {
  const ObjectiveShaping& shaping = options_.objectives[objective];
  const double transformed = std::isfinite(value) ? shaping.transform.Apply(value) : value;
  const bool linear = options_.scale == RewardScale::kLinear;
  if (std::isfinite(transformed) && (!linear || transformed >= 0)) return transformed;
  return absl::InvalidArgumentError(
      absl::StrCat("raw value of object ", object, ", objective ", shaping.name, ", is ", value,
                   std::isfinite(value)
                       ? ": a linear reward is 0 or more; give reward_shaping.scale: log if it is "
                         "a log-reward, or clip_min: 0, or a desirability"
                       : ", not a finite number"));
}

absl::StatusOr<double> RewardShaping::LogReward(int64_t object, const double* values) const {
  const bool linear = options_.scale == RewardScale::kLinear;
  const bool multiplies = options_.scalarisation != Scalarisation::kWeightedSum;
  double sum = 0;  // Of logarithms where the values are multiplied.
  for (size_t j = 0; j < options_.objectives.size(); ++j) {
    const ObjectiveShaping& objective = options_.objectives[j];
    if (objective.weight == 0) continue;
    const auto value = Transformed(object, j, values[j]);
    if (!value.ok()) return value.status();
    sum +=
        (objective.maximize ? 1 : -1) * objective.weight * (multiplies ? std::log(*value) : *value);
  }
  if (options_.scalarisation == Scalarisation::kGeometricMean) sum /= total_weight_;
  double log_reward = options_.exponent * (linear && !multiplies ? std::log(sum) : sum);
  if (IsSeeded(SeededFault::kShapingTwice)) log_reward *= options_.exponent;
  if (std::isnan(log_reward) || log_reward > std::numeric_limits<double>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat("log-reward of object ", object, " is ", log_reward, " though its raw values ",
                     "are finite; give smaller reward_shaping weights or exponent"));
  }
  return std::max(log_reward, options_.min_log_reward);
}

absl::Status RewardShaping::Shape(const RewardColumns& raw, ShapedRewards& out) const {
  if (absl::Status status = CheckColumns(raw); !status.ok()) return status;
  const size_t objects = raw.status.size();
  const size_t objectives = options_.objectives.size();
  out.log_rewards.assign(objects, options_.min_log_reward);
  out.used.assign(objects, 0);
  for (size_t i = 0; i < objects; ++i) {
    if (raw.status[i] == ObjectStatus::kInvalid) {
      out.used[i] = options_.invalid == InvalidPolicy::kFloor;
      continue;
    }
    bool complete = raw.status[i] == ObjectStatus::kOk;
    for (size_t j = 0; j < objectives; ++j) {
      complete = complete && (raw.valid[i * objectives + j] || options_.objectives[j].weight == 0);
    }
    if (!complete) continue;
    auto log_reward = LogReward(static_cast<int64_t>(i), raw.values.data() + i * objectives);
    if (!log_reward.ok()) return log_reward.status();
    out.log_rewards[i] = *log_reward;
    out.used[i] = 1;
  }
  return absl::OkStatus();
}

}  // namespace anabranch
