// One oracle and all that stands between it and those who ask.
#ifndef ANABRANCH_REWARD_ORACLE_CHAIN_H_
#define ANABRANCH_REWARD_ORACLE_CHAIN_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "anabranch/v1/config.pb.h"
#include "reward/budget/budget.h"
#include "reward/budget/budget_gate.h"
#include "reward/cache/result_cache.h"
#include "reward/gateway/oracle_dispatcher.h"
#include "reward/gateway/patient_oracle.h"
#include "reward/gateway/replica_set.h"
#include "reward/gateway/upstream_meter.h"
#include "runtime/channels.h"
#include "runtime/key_value_store.h"
#include "runtime/log.h"
#include "runtime/metrics.h"

namespace anabranch {

// What all oracles of a run share. Everything outlives the chains.
struct OracleChainOptions {
  int64_t cache_objects = 100'000;  // 0 keeps no results; otherwise at least 2.
  bool allow_fingerprint_change = false;
  bool insecure = false;
  KeyValueStore* store = nullptr;  // Null keeps results and tickets in memory only.
  Budget* budget = nullptr;        // Null counts nothing.
};

// Results kept → budget → batches → meter → retries → replicas. Thread-safe once made.
class OracleChain {
 public:
  // An oracle of the configuration, its defaults filled in. Doesn't connect. INVALID_ARGUMENT names
  // the key or flag; otherwise what the store says.
  static absl::StatusOr<std::unique_ptr<OracleChain>> Create(const v1::OracleConfig& config,
                                                             const OracleChainOptions& options,
                                                             Metrics& metrics, Log& log);
  // Of the run's built-in reward, which needs no batches, retries or replicas. Costs nothing on
  // disk: its results are kept in memory only.
  static absl::StatusOr<std::unique_ptr<OracleChain>> CreateBuiltIn(
      std::unique_ptr<RewardClient> oracle, const OracleChainOptions& options, Metrics& metrics,
      Log& log);

  const std::string& name() const { return name_; }
  RewardClient& top();
  // Zeros where nothing is kept.
  ResultCache::Totals totals() const;
  int64_t circuits_open() const { return replicas_ == nullptr ? 0 : replicas_->circuits_open(); }

  // Whoever waits ends with CANCELLED, now and later. A call of an oracle that isn't grpc ends by
  // its own deadline.
  void Cancel();

 private:
  explicit OracleChain(std::string name) : name_(std::move(name)) {}

  absl::Status AddTransport(const v1::OracleConfig& config, const OracleChainOptions& options,
                            Metrics& metrics, Log& log);
  absl::Status AddKeeping(bool durable, bool free, const OracleChainOptions& options,
                          Metrics& metrics, Log& log);
  void RegisterMetrics(Metrics& metrics, bool labelled);

  // Each uses those above it.
  const std::string name_;
  std::unique_ptr<RewardClient> built_in_;  // Null for an oracle of the configuration, which has
  std::unique_ptr<ReplicaSet> replicas_;    // these four.
  std::unique_ptr<PatientOracle> patient_;
  std::unique_ptr<UpstreamMeter> meter_;
  std::unique_ptr<OracleDispatcher> dispatcher_;
  std::unique_ptr<BudgetGate> gate_;    // Null where nothing is counted.
  std::unique_ptr<ResultCache> cache_;  // Null where nothing is kept.
  std::vector<std::function<void()>> cancel_;
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_ORACLE_CHAIN_H_
