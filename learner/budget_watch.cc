#include "learner/budget_watch.h"

#include <utility>

namespace anabranch {

BudgetWatch::BudgetWatch(BudgetWatchOptions options, RewardClient& reward)
    : options_(std::move(options)), reward_(reward), thread_([this] { Watch(); }) {}

BudgetWatch::~BudgetWatch() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  thread_.join();
}

std::optional<v1::RewardBudget> BudgetWatch::newest() const {
  absl::MutexLock lock(&mu_);
  return newest_;
}

void BudgetWatch::Watch() {
  while (true) {
    const auto description = reward_.Describe(options_.request);
    absl::MutexLock lock(&mu_);
    if (description.ok() && description->has_budget()) newest_ = description->budget();
    if (mu_.AwaitWithTimeout(absl::Condition(&stopping_), options_.interval)) return;
  }
}

}  // namespace anabranch
