// What several oracles are together, and which of them computes what.
#ifndef ANABRANCH_REWARD_GATEWAY_ROUTE_PLAN_H_
#define ANABRANCH_REWARD_GATEWAY_ROUTE_PLAN_H_

#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "anabranch/v1/reward.pb.h"

namespace anabranch {

// What one of the oracles is, and what is taken from it.
struct RoutedDescription {
  std::string name;                     // Unique.
  std::vector<std::string> objectives;  // Empty: all that it describes.
  v1::DescribeResponse description;
};

// Immutable once made.
struct RoutePlan {
  v1::DescribeResponse merged;
  std::vector<std::string> fingerprints;           // [oracles]
  std::vector<std::vector<std::string>> computes;  // [oracles], what is taken from each, in order.

  // The oracle that computes `objective`; −1 if none does.
  int OracleOf(absl::string_view objective) const;
};

// The fingerprint of oracles together: its own of a single one, otherwise a hash over the names and
// fingerprints of all.
std::string MergedFingerprint(std::span<const std::string> names,
                              std::span<const std::string> fingerprints);

// INVALID_ARGUMENT: an objective that two oracles compute (names both), one in `objectives` that
// its oracle doesn't describe, one in `needed` that nobody computes (names those that there are),
// and oracles that read no common format or not `format`. An oracle that accepts no format in
// particular reads any; if all do, `format` is what the merged one accepts. Objectives come in the
// order of the oracles. Budgets: the smallest that is left.
absl::StatusOr<RoutePlan> MakeRoutePlan(std::span<const RoutedDescription> oracles,
                                        std::span<const std::string> needed,
                                        const std::string& format);

// Into `merged`, what is left of both: the smaller one; what is used: the larger one, since the
// oracles of a run share one budget.
void MergeBudget(const v1::RewardBudget& budget, v1::RewardBudget& merged);

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_GATEWAY_ROUTE_PLAN_H_
