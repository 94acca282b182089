// Whether reward shaping makes a log-reward of every value.
#include <cmath>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "runtime/config_problems.h"

namespace anabranch {
namespace {

void Finite(bool given, double value, const std::string& key, Problems& problems) {
  if (!given) {
    problems.Add(key, "is missing; give a number");
  } else {
    problems.Check(std::isfinite(value), key, value, "must be finite", "give a number");
  }
}

void CheckDesirability(const v1::ObjectiveShaping& objective, const std::string& key,
                       Problems& problems) {
  if (objective.has_min_max()) {
    const v1::MinMaxDesirability& line = objective.min_max();
    Finite(line.has_from(), line.from(), key + ".min_max.from", problems);
    Finite(line.has_to(), line.to(), key + ".min_max.to", problems);
    problems.Check(line.from() != line.to() || !line.has_from() || !line.has_to(),
                   key + ".min_max.to", line.to(), "which is min_max.from",
                   "give two different numbers");
  }
  if (objective.has_sigmoid()) {
    const v1::SigmoidDesirability& sigmoid = objective.sigmoid();
    Finite(sigmoid.has_midpoint(), sigmoid.midpoint(), key + ".sigmoid.midpoint", problems);
    Finite(sigmoid.has_slope(), sigmoid.slope(), key + ".sigmoid.slope", problems);
    problems.Check(sigmoid.slope() != 0 || !sigmoid.has_slope(), key + ".sigmoid.slope",
                   sigmoid.slope(), "must not be 0", "below 0 small values are desirable");
  }
  if (objective.has_gaussian()) {
    const v1::GaussianDesirability& gaussian = objective.gaussian();
    Finite(gaussian.has_target(), gaussian.target(), key + ".gaussian.target", problems);
    Positive(gaussian.width(), key + ".gaussian.width", problems);
  }
}

void CheckObjective(const v1::ObjectiveShaping& objective, const std::string& key, bool linear,
                    Problems& problems) {
  NotNegative(objective.weight(), key + ".weight", problems);
  problems.Check(!std::isnan(objective.clip_min()), key + ".clip_min", objective.clip_min(),
                 "must be a number", "leave it out for no limit");
  problems.Check(!std::isnan(objective.clip_max()), key + ".clip_max", objective.clip_max(),
                 "must be a number", "leave it out for no limit");
  if (objective.has_clip_min() && objective.has_clip_max()) {
    problems.Check(!(objective.clip_max() < objective.clip_min()), key + ".clip_max",
                   objective.clip_max(),
                   absl::StrCat("must be at least clip_min, ", objective.clip_min()), "raise it");
  }
  CheckDesirability(objective, key, problems);
  if (objective.direction() != v1::OBJECTIVE_DIRECTION_MINIMIZE || objective.weight() == 0) return;
  if (objective.desirability_case() != v1::ObjectiveShaping::DESIRABILITY_NOT_SET) {
    problems.Add(key + ".direction",
                 "is minimize beside a desirability, which has a direction of its own; leave it "
                 "out, and turn the desirability round");
  } else if (linear) {
    problems.Add(key + ".direction",
                 "is minimize on a linear scale, where the reward would be negative; make it a "
                 "desirability, such as min_max: {from: 10, to: 0}, or give "
                 "reward_shaping.scale: log");
  }
}

}  // namespace

void CheckShaping(const v1::RewardShapingConfig& shaping, Problems& problems) {
  Positive(shaping.exponent(), "reward_shaping.exponent", problems);
  problems.Check(std::isfinite(shaping.min_log_reward()), "reward_shaping.min_log_reward",
                 shaping.min_log_reward(), "must be finite", "give a number such as -100");
  const bool linear = shaping.scale() != v1::REWARD_SCALE_LOG;
  if (!linear && shaping.scalarisation() > v1::SCALARISATION_WEIGHTED_SUM) {
    problems.Add("reward_shaping.scalarisation",
                 "multiplies, and on the log scale values are added; write weighted_sum, or "
                 "reward_shaping.scale: linear");
  }
  double total = 0;
  std::set<std::string> names;
  for (int i = 0; i < shaping.objectives_size(); ++i) {
    const v1::ObjectiveShaping& objective = shaping.objectives(i);
    const std::string key = absl::StrCat("reward_shaping.objectives.", i);
    if (objective.name().empty()) problems.Add(key + ".name", "is missing; name an objective");
    problems.Check(names.insert(objective.name()).second, key + ".name", objective.name(),
                   "which stands before", "name each objective once");
    CheckObjective(objective, key, linear, problems);
    total += objective.weight();
  }
  if (shaping.objectives_size() > 0 && !(total > 0)) {
    problems.Add("reward_shaping.objectives", "have no weight; give at least one a weight above 0");
  }
}

}  // namespace anabranch
