#include "cli/progress/budget_rate.h"

namespace anabranch {
namespace {

constexpr absl::Duration kWindow = absl::Minutes(1);
constexpr absl::Duration kBetweenLooks = absl::Seconds(1);  // Kept; more often says no more.

}  // namespace

BudgetReport BudgetRate::Add(const v1::RewardBudget& budget, absl::Time now) {
  const Look look{now, static_cast<double>(budget.evaluations_used()), budget.cost_used()};
  // A service that has lost its count begins anew.
  if (!looks_.empty() && look.used < looks_.back().used) looks_.clear();
  if (looks_.empty() || now - looks_.back().time >= kBetweenLooks) looks_.push_back(look);
  // One look from before the window stays, so that the rate is always over a whole one.
  while (looks_.size() > 2 && now - looks_[1].time >= kWindow) looks_.pop_front();
  BudgetReport report;
  report.used = budget.evaluations_used();
  if (budget.has_evaluations_left()) report.left = budget.evaluations_left();
  report.cost_used = budget.cost_used();
  if (budget.has_cost_left()) report.cost_left = budget.cost_left();
  report.cost_unit = budget.cost_unit();
  const double seconds = absl::ToDoubleSeconds(now - looks_.front().time);
  if (seconds <= 0) return report;
  report.per_second = (look.used - looks_.front().used) / seconds;
  report.cost_per_second = (look.cost_used - looks_.front().cost_used) / seconds;
  return report;
}

}  // namespace anabranch
