#include "reward/gateway/route_plan.h"

#include <algorithm>
#include <cstdint>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gflownet/environment/key.h"

namespace anabranch {
namespace {

std::string NameOf(const v1::ObjectiveDescription& objective) { return objective.name(); }

std::string Listed(const google::protobuf::RepeatedPtrField<v1::ObjectiveDescription>& objectives) {
  return absl::StrJoin(objectives, ", ", [](std::string* out, const auto& objective) {
    out->append(NameOf(objective));
  });
}

const v1::ObjectiveDescription* FindObjective(const v1::DescribeResponse& description,
                                              absl::string_view name) {
  for (const v1::ObjectiveDescription& objective : description.objectives()) {
    if (objective.name() == name) return &objective;
  }
  return nullptr;
}

// Adds what is taken from one oracle.
absl::Status AddObjectives(const RoutedDescription& oracle, RoutePlan& plan,
                           std::map<std::string, std::string>& owners) {
  std::vector<std::string> taken = oracle.objectives;
  if (taken.empty()) {
    for (const auto& objective : oracle.description.objectives()) taken.push_back(objective.name());
  }
  for (const std::string& name : taken) {
    const v1::ObjectiveDescription* objective = FindObjective(oracle.description, name);
    if (objective == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("reward.oracles: \"", oracle.name, "\" has no objective \"", name,
                       "\"; it describes: ", Listed(oracle.description.objectives())));
    }
    const auto [owner, is_new] = owners.emplace(name, oracle.name);
    if (!is_new) {
      return absl::InvalidArgumentError(
          absl::StrCat("reward.oracles: \"", owner->second, "\" and \"", oracle.name,
                       "\" both compute the objective \"", name,
                       "\"; say with `objectives` what is taken from each"));
    }
    *plan.merged.add_objectives() = *objective;
  }
  plan.computes.push_back(std::move(taken));
  return absl::OkStatus();
}

absl::Status MergeFormats(std::span<const RoutedDescription> oracles, const std::string& format,
                          v1::DescribeResponse& merged) {
  std::vector<std::string> common;
  bool any = true;
  for (const RoutedDescription& oracle : oracles) {
    const auto& formats = oracle.description.accepted_formats();
    if (formats.empty()) continue;
    if (any) {
      common.assign(formats.begin(), formats.end());
    } else {
      std::erase_if(common, [&](const std::string& one) {
        return std::find(formats.begin(), formats.end(), one) == formats.end();
      });
    }
    any = false;
  }
  if (any && !format.empty()) common = {format};
  const bool fits =
      any || (format.empty() ? !common.empty()
                             : std::find(common.begin(), common.end(), format) != common.end());
  if (!fits) {
    return absl::InvalidArgumentError(absl::StrCat(
        "reward.oracles: ",
        format.empty() ? "they read no common format"
                       : absl::StrCat("objects are sent as \"", format, "\""),
        "; accepted are: ",
        absl::StrJoin(oracles, "; ", [](std::string* out, const RoutedDescription& oracle) {
          absl::StrAppend(out, "by \"", oracle.name, "\" ",
                          absl::StrJoin(oracle.description.accepted_formats(), ", "));
        })));
  }
  for (std::string& one : common) merged.add_accepted_formats(std::move(one));
  return absl::OkStatus();
}

void MergeRest(std::span<const RoutedDescription> oracles, v1::DescribeResponse& merged) {
  bool deterministic = true;
  for (const RoutedDescription& oracle : oracles) {
    const v1::DescribeResponse& from = oracle.description;
    deterministic = deterministic && from.deterministic();
    if (from.issues_tickets()) merged.set_issues_tickets(true);
    if (from.has_budget()) MergeBudget(from.budget(), *merged.mutable_budget());
    if (from.max_batch_objects() > 0 && (merged.max_batch_objects() == 0 ||
                                         from.max_batch_objects() < merged.max_batch_objects())) {
      merged.set_max_batch_objects(from.max_batch_objects());
    }
    merged.set_preferred_batch_objects(
        std::max(merged.preferred_batch_objects(), from.preferred_batch_objects()));
    merged.set_typical_latency_millis(
        std::max(merged.typical_latency_millis(), from.typical_latency_millis()));
  }
  merged.set_deterministic(deterministic);
  const auto joined = [&](auto text) {
    return absl::StrJoin(oracles, "+", [&](std::string* out, const RoutedDescription& oracle) {
      out->append(text(oracle));
    });
  };
  merged.set_name(joined([](const RoutedDescription& oracle) { return oracle.name; }));
  merged.set_version(joined([](const RoutedDescription& o) { return o.description.version(); }));
}

}  // namespace

int RoutePlan::OracleOf(absl::string_view objective) const {
  for (size_t i = 0; i < computes.size(); ++i) {
    if (std::find(computes[i].begin(), computes[i].end(), objective) != computes[i].end()) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

std::string MergedFingerprint(std::span<const std::string> names,
                              std::span<const std::string> fingerprints) {
  if (fingerprints.size() == 1) return fingerprints[0];
  std::string text;
  for (size_t i = 0; i < fingerprints.size(); ++i) {
    absl::StrAppend(&text, names[i].size(), ":", names[i], "=", fingerprints[i].size(), ":",
                    fingerprints[i]);
  }
  return absl::StrCat("oracles(", absl::StrJoin(names, ","), ") ", Key128::Of(text).ToHex());
}

void MergeBudget(const v1::RewardBudget& budget, v1::RewardBudget& merged) {
  if (budget.has_evaluations_left() &&
      !(merged.has_evaluations_left() && merged.evaluations_left() <= budget.evaluations_left())) {
    merged.set_evaluations_left(budget.evaluations_left());
  }
  if (budget.has_cost_left() &&
      !(merged.has_cost_left() && merged.cost_left() <= budget.cost_left())) {
    merged.set_cost_left(budget.cost_left());
  }
  if (merged.cost_unit().empty()) merged.set_cost_unit(budget.cost_unit());
  merged.set_evaluations_used(std::max(merged.evaluations_used(), budget.evaluations_used()));
  merged.set_cost_used(std::max(merged.cost_used(), budget.cost_used()));
  merged.set_evaluations_outstanding(
      std::max(merged.evaluations_outstanding(), budget.evaluations_outstanding()));
}

absl::StatusOr<RoutePlan> MakeRoutePlan(std::span<const RoutedDescription> oracles,
                                        std::span<const std::string> needed,
                                        const std::string& format) {
  RoutePlan plan;
  std::map<std::string, std::string> owners;
  std::vector<std::string> names;
  for (const RoutedDescription& oracle : oracles) {
    if (absl::Status status = AddObjectives(oracle, plan, owners); !status.ok()) return status;
    plan.fingerprints.push_back(oracle.description.fingerprint());
    names.push_back(oracle.name);
  }
  for (const std::string& name : needed) {
    if (owners.contains(name)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("reward_shaping.objectives: no oracle computes \"", name,
                     "\"; there are: ", Listed(plan.merged.objectives())));
  }
  if (absl::Status status = MergeFormats(oracles, format, plan.merged); !status.ok()) {
    return status;
  }
  MergeRest(oracles, plan.merged);
  plan.merged.set_fingerprint(MergedFingerprint(names, plan.fingerprints));
  return plan;
}

}  // namespace anabranch
