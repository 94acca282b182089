// How fast a budget of oracle calls is being spent.
#ifndef ANABRANCH_CLI_PROGRESS_BUDGET_RATE_H_
#define ANABRANCH_CLI_PROGRESS_BUDGET_RATE_H_

#include <deque>

#include "absl/time/time.h"
#include "anabranch/v1/reward.pb.h"
#include "cli/progress/progress.h"

namespace anabranch {

// Takes what a reward service tells, now and then, and knows the rate of the last minute. Not
// thread-safe.
class BudgetRate {
 public:
  // As of `now`, a clock that never goes back.
  BudgetReport Add(const v1::RewardBudget& budget, absl::Time now);

 private:
  struct Look {
    absl::Time time;
    double used = 0;
    double cost_used = 0;
  };
  std::deque<Look> looks_;  // The oldest first.
};

}  // namespace anabranch

#endif  // ANABRANCH_CLI_PROGRESS_BUDGET_RATE_H_
