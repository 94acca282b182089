// What a run may still spend on its oracles, and what it has spent; survives the process.
#ifndef ANABRANCH_REWARD_BUDGET_BUDGET_H_
#define ANABRANCH_REWARD_BUDGET_BUDGET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "anabranch/v1/config.pb.h"
#include "anabranch/v1/reward.pb.h"
#include "anabranch/v1/reward_state.pb.h"
#include "runtime/key_value_store.h"

namespace anabranch {

// One for a run, shared by the gates of all oracles that cost something. An evaluation is reserved
// before the oracle is asked and settled after; both are on disk on return, so that no crash
// overspends: what was under way then counts as used, except what the oracle answers by ticket.
//
// The cost is known only afterwards: nothing is asked any more once it has reached its limit, but
// what is under way at that moment may overshoot it.
//
// Thread-safe. Blocks for the disk, without a lock; concurrent changes share one write.
class Budget {
 public:
  // How a request that was reserved ended.
  struct Outcome {
    uint64_t used = 0;        // Evaluated, whatever came of it.
    uint64_t given_back = 0;  // Not evaluated, as far as is known.
    double cost = 0;
    std::string cost_unit;              // Empty where the oracle doesn't say.
    std::vector<std::string> accepted;  // Tickets of the PENDING ones, which stay outstanding.
    uint64_t accepted_evaluations = 1;  // Reserved for each of them.
    // Tickets that were polled and answered for good, which count as used.
    std::vector<std::string> answered;
    // Tickets that the oracle replaced by another.
    std::vector<std::pair<std::string, std::string>> renamed;
  };

  // Of a configuration with its defaults filled in; a limit of 0 is none, and another limit than
  // before simply counts from now on. The store outlives it. INVALID_ARGUMENT names the key;
  // otherwise what the store says, DATA_LOSS for content that isn't a budget.
  static absl::StatusOr<std::unique_ptr<Budget>> Open(const v1::BudgetConfig& config,
                                                      KeyValueStore& store);

  // Up to `wanted` evaluations in units of `each`; as many as are left, a multiple of it. Where
  // there is a limit, an error of the store grants nothing; without one it is only counted in
  // memory.
  absl::StatusOr<uint64_t> Reserve(uint64_t wanted, uint64_t each = 1);
  // `used` + `given_back` + accepted were reserved. Counts in any case; an error says that the disk
  // doesn't know yet (it will with the next change that is written).
  absl::Status Settle(absl::string_view oracle, const Outcome& outcome);
  // At the start: of the oracle's tickets only these can still be asked for. The others count as
  // used: a process was lost between the oracle's answer and its keeping. What the store says.
  absl::Status Reconcile(absl::string_view oracle, const std::vector<std::string>& tickets);
  // Evaluations reserved for a ticket of the oracle's that is not answered; 0 for one unknown.
  uint64_t Outstanding(absl::string_view oracle, absl::string_view ticket) const;

  v1::RewardBudget Read() const;
  // Why nothing more is granted: the limit, what was used, the key that raises it. Empty while
  // something is left.
  std::string Explain() const;

 private:
  Budget(const v1::BudgetConfig& config, KeyValueStore& store);

  absl::Status Load();
  bool limited() const { return max_evaluations_ > 0 || max_cost_ > 0; }
  uint64_t LeftLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ApplyLocked(absl::string_view oracle, const Outcome& outcome)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void PutTicketLocked(const std::string& key, uint64_t evaluations)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  uint64_t TakeTicketLocked(const std::string& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Until the disk knows the change with this number: one thread writes all that there is, the
  // others wait for it.
  absl::Status Persist(uint64_t change) ABSL_LOCKS_EXCLUDED(mu_);
  // Lets go of the lock while it writes.
  absl::Status WriteNewestLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const uint64_t max_evaluations_;  // 0 is none.
  const double max_cost_;           // 0 is none.
  KeyValueStore& store_;

  mutable absl::Mutex mu_;
  absl::CondVar written_changed_;
  v1::BudgetState state_ ABSL_GUARDED_BY(mu_);
  // Evaluations by oracle and ticket, and their sum.
  absl::flat_hash_map<std::string, uint64_t> tickets_ ABSL_GUARDED_BY(mu_);
  uint64_t ticketed_ ABSL_GUARDED_BY(mu_) = 0;
  // Changes of tickets_ that the disk doesn't know.
  std::vector<KeyValueBatch::Change> unwritten_ ABSL_GUARDED_BY(mu_);
  uint64_t changes_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t written_ ABSL_GUARDED_BY(mu_) = 0;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_BUDGET_BUDGET_H_
