// Between an oracle that costs something and all that asks it: lets through what the budget grants.
#ifndef ANABRANCH_REWARD_BUDGET_BUDGET_GATE_H_
#define ANABRANCH_REWARD_BUDGET_BUDGET_GATE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "anabranch/v1/reward.pb.h"
#include "reward/budget/budget.h"
#include "runtime/channels.h"

namespace anabranch {

// Stands below the cache, so that only what really goes to the oracle counts, and above whatever
// tries again, so that a retry doesn't count twice. Every object counts `replicates` times (once by
// default), also one that the request repeats. OK, INVALID, INFEASIBLE, FAILED and unknown statuses
// are used; RETRYABLE, BUDGET_EXHAUSTED, what came from a cache of the oracle's, and a request that
// failed as a whole are given back. PENDING stays outstanding until its poll is answered: an object
// with a ticket that is outstanding reserves nothing.
//
// Objects beyond what is left are answered BUDGET_EXHAUSTED, with a reason; the others are asked,
// under a request_id of their own. Every answer and description carries the budget: of this budget
// and the oracle's own, the smaller `left` counts. Thread-safe; no lock is held while the oracle
// works.
class BudgetGate final : public RewardClient {
 public:
  // Oracle and budget outlive it. `oracle_name` is the configuration's.
  BudgetGate(RewardClient& oracle, std::string oracle_name, Budget& budget)
      : oracle_(oracle), oracle_name_(std::move(oracle_name)), budget_(budget) {}

  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override;
  // As the oracle; also what Budget::Reserve says, when nothing was asked, and UNAVAILABLE for an
  // answer whose columns don't fit the question.
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override;

  // What may still be spent at this oracle, as far as its last answer said.
  v1::RewardBudget Read() const;

 private:
  struct Passage;

  // Which objects may be asked for. What Budget::Reserve says.
  absl::StatusOr<Passage> Open(const v1::EvaluateRequest& request);
  // Checked: an answer to what was asked.
  absl::StatusOr<v1::EvaluateResponse> Ask(const v1::EvaluateRequest& request,
                                           const Passage& passage);
  Budget::Outcome Judge(const v1::EvaluateRequest& request, const v1::EvaluateResponse& answer,
                        const Passage& passage) const;
  // Where nothing may be asked.
  absl::StatusOr<v1::EvaluateResponse> Refuse(const v1::EvaluateRequest& request);
  std::string Reason() const;
  void Remember(const std::string& fingerprint, const v1::RewardBudget& budget);

  RewardClient& oracle_;
  const std::string oracle_name_;
  Budget& budget_;
  mutable absl::Mutex mu_;
  // What the oracle said last: its own budget (empty where it keeps none), and of itself.
  v1::RewardBudget upstream_ ABSL_GUARDED_BY(mu_);
  std::string fingerprint_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> objectives_ ABSL_GUARDED_BY(mu_);
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_BUDGET_BUDGET_GATE_H_
