#include "learner/reward_budget.h"

#include "absl/strings/str_cat.h"

namespace anabranch {
namespace {

template <typename T>
bool IsRaised(T before, T now) {  // 0 is no limit.
  return before != 0 && (now == 0 || now > before);
}

}  // namespace

bool HasLimit(const v1::BudgetConfig& config) {
  return config.max_evaluations() > 0 || config.max_cost() > 0;
}

bool IsRaised(const v1::BudgetConfig& before, const v1::BudgetConfig& now) {
  return IsRaised(before.max_evaluations(), now.max_evaluations()) ||
         IsRaised(before.max_cost(), now.max_cost());
}

bool IsSpent(const v1::RewardBudget& budget) {
  const bool nothing_left = (budget.has_evaluations_left() && budget.evaluations_left() == 0) ||
                            (budget.has_cost_left() && budget.cost_left() <= 0);
  return nothing_left && budget.evaluations_outstanding() == 0;
}

std::string SayIsSpent(const v1::RewardBudget& budget) {
  std::string text = absl::StrCat(
      "the budget of oracle calls is spent: ", budget.evaluations_used(), " evaluations");
  if (budget.cost_used() > 0) {
    absl::StrAppend(&text, ", ", budget.cost_used(),
                    budget.cost_unit().empty() ? " of cost" : " " + budget.cost_unit());
  }
  return text;
}

}  // namespace anabranch
