// The reward service of a run: its oracles or its built-in reward, with all that makes them safe to
// train on.
#ifndef ANABRANCH_REWARD_ORACLE_STACK_H_
#define ANABRANCH_REWARD_ORACLE_STACK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "anabranch/v1/config.pb.h"
#include "anabranch/v1/status.pb.h"
#include "reward/budget/budget.h"
#include "reward/gateway/oracle_router.h"
#include "reward/metered_reward.h"
#include "reward/oracle_chain.h"
#include "runtime/channels.h"
#include "runtime/key_value_store.h"
#include "runtime/log.h"
#include "runtime/metrics.h"

namespace anabranch {

struct OracleStackOptions {
  // Directory where results, tickets, spending and fingerprints outlive the process; made if
  // missing. Empty keeps them in memory. A built-in reward without a budget needs none.
  std::string state;
  int64_t cache_objects = 100'000;  // Of each oracle; 0 caches nothing; otherwise at least 2.
  bool insecure = false;            // Plaintext off loopback.
};

// Meter → router → of each oracle its chain. Thread-safe once made.
class OracleStack {
 public:
  // Of a configuration with its defaults filled in. Connects to nobody. INVALID_ARGUMENT names the
  // key or flag; otherwise what KeyValueStore says of the state. Registers what is scraped: metrics
  // and log outlive it, and it outlives the last scrape.
  static absl::StatusOr<std::unique_ptr<OracleStack>> Create(const v1::RunConfig& config,
                                                             const OracleStackOptions& options,
                                                             Metrics& metrics, Log& log);

  // Waits until all oracles have described themselves and fit together, saying whom for. `pause` is
  // called between two looks, with the time to wait and why; false ends it with CANCELLED. Errors
  // that waiting doesn't mend name the oracle. Whoever doesn't call it gets the same errors from
  // the first request.
  absl::Status AwaitOracles(
      absl::FunctionRef<bool(absl::Duration time, absl::string_view waits_for)> pause);

  RewardClient& top() { return *metered_; }
  // Totals for GetStatus.
  void Describe(v1::GetStatusResponse& response) const;

  // Whoever waits for an oracle ends with CANCELLED, now and later; for the end of the process. A
  // call of an oracle that isn't grpc ends by its own deadline.
  void Cancel();

 private:
  OracleStack(Metrics& metrics, Log& log) : metrics_(metrics), log_(log) {}

  absl::Status OpenState(const v1::RunConfig& config, const OracleStackOptions& options);
  absl::Status AddBuiltIn(const v1::RunConfig& config, const OracleChainOptions& options);
  absl::Status AddOracles(const v1::RunConfig& config, const OracleChainOptions& options);

  Metrics& metrics_;
  Log& log_;
  std::unique_ptr<KeyValueStore> store_;  // Null where nothing is kept.
  bool durable_ = false;                  // Whether it outlives the process.
  std::unique_ptr<Budget> budget_;        // Null where nothing is counted.
  std::vector<std::unique_ptr<OracleChain>> chains_;
  std::unique_ptr<OracleRouter> router_;  // Null with a built-in reward.
  std::unique_ptr<MeteredReward> metered_;
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_ORACLE_STACK_H_
