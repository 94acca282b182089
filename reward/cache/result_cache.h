// An oracle that remembers: answers what it was asked before, and passes on only the rest.
#ifndef ANABRANCH_REWARD_CACHE_RESULT_CACHE_H_
#define ANABRANCH_REWARD_CACHE_RESULT_CACHE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "anabranch/v1/reward.pb.h"
#include "reward/cache/result_disk.h"
#include "reward/cache/result_fingerprint.h"
#include "reward/cache/result_flights.h"
#include "reward/cache/result_question.h"
#include "reward/cache/result_store.h"
#include "reward/cache/result_tickets.h"
#include "runtime/channels.h"
#include "runtime/key_value_store.h"
#include "runtime/log.h"

namespace anabranch {

struct ResultCacheOptions {
  std::string oracle;  // Its name in the configuration. Never empty.
  // False keeps no results at all; tickets, fingerprint and single-flight remain.
  bool keeps_results = true;
  ResultStoreOptions memory;
  bool durable_results = true;  // Where there is a store; false for what is cheap to compute.
  bool allow_fingerprint_change = false;
  // An oracle that varies is asked about an object so often, then its mean is the answer. ≥ 1.
  uint32_t max_noisy_evaluations = 1;
  std::function<absl::Time()> now = [] { return absl::Now(); };
  // What stands in every answer's budget, answers from the cache too; null leaves the oracle's.
  std::function<v1::RewardBudget()> read_budget;

  absl::Status Validate() const;
};

// Kept are answers OK and INVALID, object by object, in memory and, if there is a store, there too;
// of all others only PENDING leaves a ticket. A key is the oracle's fingerprint, environment,
// format, set of objectives, the context's key and the object's bytes (the caller's object_key is
// not trusted for them; of a referenced object, its sha256). Not kept: what has a context without a
// key, and a reference without a hash. A disk that fails is warned of once, and done without.
//
// Of equal objects in one request and in concurrent ones the oracle sees one, whose answer, or
// whose failed request, is everybody's. Of an oracle that varies, mean, count and standard error
// are kept. PENDING is answered with a ticket of this cache's (result_tickets.h) and not asked
// again before its time. A fingerprint other than the oracle's first is refused, or adopted.
// Passed on whole: requests with replicates > 1 to a deterministic oracle, or faulty as a whole,
// which the oracle then says. bypass_cache reads nothing and updates. Where not all objects are
// passed on, their request_id is another, the same for the same objects. Answers name each object's
// origin in from_cache, and keep the order of objects and of objectives. Thread-safe; no lock is
// held while the oracle or the disk works.
class ResultCache final : public RewardClient {
 public:
  // In objects. Of answered requests: asked for = hits + coalesced + waiting + misses.
  struct Totals {
    int64_t hits = 0;          // Answered from memory or disk.
    int64_t durable_hits = 0;  // Those of them from disk.
    int64_t coalesced = 0;     // Equal to one that was being asked for.
    int64_t waiting = 0;       // PENDING without asking, and polls by unknown tickets.
    int64_t misses = 0;        // Passed on to the oracle.
    int64_t evictions = 0;
    int64_t entries = 0;                                 // Now in memory.
    int64_t bytes = 0;                                   // Now in memory.
    int64_t pending = 0;                                 // Tickets that aren't answered, now.
    absl::Time oldest_pending = absl::InfiniteFuture();  // When the oldest of them was accepted.
  };

  // Oracle, store and log outlive the cache; a null store keeps all in memory. INVALID_ARGUMENT
  // names the option; otherwise what the store says.
  static absl::StatusOr<std::unique_ptr<ResultCache>> Create(RewardClient& oracle,
                                                             const ResultCacheOptions& options,
                                                             KeyValueStore* store, Log& log);

  // As the oracle; FAILED_PRECONDITION, FINGERPRINT_CHANGED for a fingerprint that is refused.
  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override;
  // As the oracle and Describe; FINGERPRINT_CHANGED also for an expected_fingerprint that isn't the
  // oracle's; UNAVAILABLE for an answer whose columns don't fit the question.
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override;

  Totals totals() const;
  // The oracle's own tickets that aren't answered: what a budget may have outstanding.
  std::vector<std::string> UpstreamTickets() const { return tickets_.UpstreamTickets(); }

 private:
  // What Describe said last.
  struct Known {
    std::string fingerprint;
    bool deterministic = false;
    std::vector<std::string> objectives;
  };
  using KnownPtr = std::shared_ptr<const Known>;

  ResultCache(RewardClient& oracle, const ResultCacheOptions& options, KeyValueStore* store,
              Log& log);

  absl::StatusOr<KnownPtr> AskKnown(const v1::EvaluateRequest& request);
  absl::StatusOr<KnownPtr> AskExpected(const v1::EvaluateRequest& request);
  void Forget();
  absl::StatusOr<v1::EvaluateResponse> PassOn(const v1::EvaluateRequest& request,
                                              const Known& known);
  v1::EvaluateRequest Restore(const v1::EvaluateRequest& request, const Known& known);
  // One attempt. False where the oracle has become another: to begin anew. So below.
  absl::StatusOr<bool> TryEvaluate(const v1::EvaluateRequest& request, const Known& known,
                                   v1::EvaluateResponse& out);
  void Look(ResultQuestion& question, const Known& known);
  void LookInMemory(ResultQuestion& question, const Known& known, std::span<const int> positions);
  void LookForTickets(ResultQuestion& question, std::span<const int> positions);
  void LookOnDisk(ResultQuestion& question, const Known& known, std::span<const int> positions);
  bool Suffices(const ObjectResult& result, const v1::EvaluateRequest& request,
                const Known& known) const;
  absl::StatusOr<bool> Ask(ResultQuestion& question, const Known& known);
  // Always after Ask: others wait for it.
  void Land(ResultQuestion& question, const absl::StatusOr<bool>& asked, const Known& known);
  absl::StatusOr<bool> Await(ResultQuestion& question, const Known& known);
  // The rest is in result_learning.cc.
  absl::Status Learn(ResultQuestion& question, const Known& known);
  void LearnTickets(ResultQuestion& question);
  void MakeMeans(ResultQuestion& question, ResultRows& rows);
  std::shared_ptr<const ObjectResult> PutMean(const ResultKey& key,
                                              std::shared_ptr<const ObjectResult> fresh);
  void Count(const ResultQuestion& question, bool answered);
  void CountPassed(int objects);

  RewardClient& oracle_;
  const ResultCacheOptions options_;
  ResultStore store_;
  ResultDisk disk_;
  ResultFlights flights_;
  ResultTickets tickets_;
  ResultFingerprint fingerprint_;
  absl::Mutex mu_;
  KnownPtr known_ ABSL_GUARDED_BY(mu_);
  absl::Mutex noisy_mu_;  // From finding a mean in memory until the new one is there.
  mutable absl::Mutex totals_mu_;
  Totals totals_ ABSL_GUARDED_BY(totals_mu_);
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_CACHE_RESULT_CACHE_H_
