// What a budget of oracle calls means for a run.
#ifndef ANABRANCH_LEARNER_REWARD_BUDGET_H_
#define ANABRANCH_LEARNER_REWARD_BUDGET_H_

#include <string>

#include "anabranch/v1/config.pb.h"
#include "anabranch/v1/reward.pb.h"

namespace anabranch {

// Whether the configuration limits what may be spent.
bool HasLimit(const v1::BudgetConfig& config);

// Whether `now` lets a run spend more than `before`, by which it ended.
bool IsRaised(const v1::BudgetConfig& before, const v1::BudgetConfig& now);

// Whether a limit is reached and nothing outstanding could still be answered.
bool IsSpent(const v1::RewardBudget& budget);

// "the budget of oracle calls is spent: 1000 evaluations, 12.5 EUR"; for people.
std::string SayIsSpent(const v1::RewardBudget& budget);

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_REWARD_BUDGET_H_
