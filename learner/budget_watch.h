// How much of its budget the reward service has spent, asked now and then beside the training.
#ifndef ANABRANCH_LEARNER_BUDGET_WATCH_H_
#define ANABRANCH_LEARNER_BUDGET_WATCH_H_

#include <optional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "anabranch/v1/reward.pb.h"
#include "runtime/channels.h"

namespace anabranch {

struct BudgetWatchOptions {
  v1::DescribeRequest request;                 // Run and environment that it asks for.
  absl::Duration interval = absl::Seconds(2);  // Between two questions.
};

// Has a thread of its own, from construction to destruction. Thread-safe; nobody ever waits for the
// service. One that doesn't answer is no error: what it said last stays true until it says more.
class BudgetWatch {
 public:
  // The client outlives it.
  BudgetWatch(BudgetWatchOptions options, RewardClient& reward);
  // Waits for the question under way, if any: as long as the client's deadline.
  ~BudgetWatch();

  // As the service told last; nothing before its first answer, or where it keeps no budget.
  std::optional<v1::RewardBudget> newest() const;

 private:
  void Watch();

  const BudgetWatchOptions options_;
  RewardClient& reward_;
  mutable absl::Mutex mu_;
  std::optional<v1::RewardBudget> newest_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_BUDGET_WATCH_H_
