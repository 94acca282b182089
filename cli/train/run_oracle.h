// Where an embedded run's values come from: the built-in reward, or all that stands before oracles
// and budgets in a reward process, in this one.
#ifndef ANABRANCH_CLI_TRAIN_RUN_ORACLE_H_
#define ANABRANCH_CLI_TRAIN_RUN_ORACLE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "anabranch/v1/config.pb.h"
#include "reward/oracle_stack.h"
#include "reward/reward_service.h"
#include "runtime/channels.h"
#include "runtime/components/run_components.h"
#include "runtime/log.h"
#include "runtime/metrics.h"

namespace anabranch {

struct RunOracleOptions {
  v1::RunConfig config;                  // Defaults filled in, validated.
  std::string state;                     // Directory for results, tickets and what is spent.
  bool own_components = false;           // Environment and reward are not the configuration's.
  std::function<bool()> stop_requested;  // Polled while oracles are waited for.
  std::function<void(absl::string_view)> note;  // A line that stays.
};

// Thread-safe once made.
class RunOracle final : public RewardClient {
 public:
  // Blocks until the oracles answer, saying whom it waits for; CANCELLED once a stop is requested.
  // Components and log outlive it. Other errors as RewardService and OracleStack.
  static absl::StatusOr<std::unique_ptr<RunOracle>> Create(const RunOracleOptions& options,
                                                           const RunComponents& components,
                                                           Log& log);

  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override;
  // Keeps what the answer tells of the budget. One with PENDING objects is held back for as long as
  // the oracle asks for, so that Cancel ends the wait: asking again at once is then right.
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override;

  // Whether an answer may take its time, or be refused for want of budget. False for a built-in
  // reward without one.
  bool may_wait() const { return stack_ != nullptr; }
  // As told last; empty where none is kept.
  v1::RewardBudget budget() const;
  bool has_budget() const;
  // Whether nothing is left, or the last objects were left out because there was not enough.
  bool IsSpent() const;
  // Objects of the last request that still wait for an answer.
  int64_t pending() const;
  // Whoever waits for an oracle ends with CANCELLED, now and later.
  void Cancel();

 private:
  RunOracle() = default;
  absl::Status MakeBuiltIn(const RunComponents& components);
  absl::Status MakeStack(const RunOracleOptions& options, Log& log);
  absl::Status AwaitOracles(const RunOracleOptions& options);
  void Keep(const v1::EvaluateResponse& response);
  absl::Status HoldBack(v1::EvaluateResponse& response);

  Metrics metrics_{"train"};  // Scraped by nobody.
  std::unique_ptr<RewardService> built_in_;
  std::unique_ptr<OracleStack> stack_;  // Null with `built_in_`, and the other way round.
  RewardClient* top_ = nullptr;

  mutable absl::Mutex mu_;
  v1::RewardBudget budget_ ABSL_GUARDED_BY(mu_);
  bool has_budget_ ABSL_GUARDED_BY(mu_) = false;
  bool refused_ ABSL_GUARDED_BY(mu_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  int64_t pending_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace anabranch

#endif  // ANABRANCH_CLI_TRAIN_RUN_ORACLE_H_
