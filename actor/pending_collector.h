// Fetches what a slow oracle has answered meanwhile.
#ifndef ANABRANCH_ACTOR_PENDING_COLLECTOR_H_
#define ANABRANCH_ACTOR_PENDING_COLLECTOR_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "actor/batch_inserter.h"
#include "actor/batch_scorer.h"
#include "actor/object_counts.h"
#include "actor/pending_trajectories.h"
#include "gflownet/reward_shaping/reward_shaping.h"
#include "runtime/channels.h"
#include "runtime/log.h"
#include "runtime/retry.h"

namespace anabranch {

// What was answered in one asking.
struct CollectedObjects {
  ObjectCounts counts;  // Those put off again are `deferred`.
  int64_t asked = 0;
  int64_t rejected = 0;  // By reward shaping.
  int64_t non_finite = 0;
};

struct CollectorOptions {
  int64_t batch_objects = 1;       // Asked about, and inserted, together; at least 1.
  int32_t max_object_tries = 100;  // RETRYABLE answers after which an object counts as FAILED.
  BackoffOptions backoff;          // Of the store.
  // Opens the stream on which answered trajectories are inserted, under this incarnation. Called
  // in Run's thread, when there is something to insert for the first time.
  std::function<absl::StatusOr<std::unique_ptr<InsertStream>>(uint64_t client_incarnation)>
      open_inserts;
  // All in Run's thread.
  std::function<void(const CollectedObjects&)> on_collected;
  std::function<void(const v1::InsertBatch&)> on_acknowledged;
};

// Asks again about pending trajectories when they are due, by ticket and with the object's content,
// and inserts those that are answered: composed, kept, inserted, acknowledged, forgotten, in this
// order. What an earlier process left between two of these goes on from there.
class PendingCollector {
 public:
  // All but the options outlive it. `header` is that of the oracle; the scorer defers PENDING and
  // RETRYABLE.
  PendingCollector(CollectorOptions options, PendingTrajectories& pending, BatchHeader header,
                   const RewardShaping& shaping, BatchScorer scorer, BatchInserter inserter,
                   RewardAsker::Sleeper sleep, Log& log);

  // Until cancelled, then OK. CANCELLED when replay has ended the run or the sleeper says so;
  // otherwise what the oracle, replay or the store say for good. Once.
  absl::Status Run();
  // From any thread.
  void Cancel();

 private:
  absl::Status SendBatches();
  absl::Status OpenInserts();
  absl::Status Collect(std::vector<PendingRecord> records);
  struct Sorted {
    std::vector<PendingRecord> again;  // With the new ticket and time.
    std::vector<std::string> done;     // Keys; what was RETRYABLE too often among them.
  };
  Sorted Sort(const ScoreTask& task, std::vector<PendingRecord>& records,
              ObjectCounts& counts) const;
  // Again and again while the store says that a retry is worth it, such as for a full disk.
  absl::Status UntilStored(absl::FunctionRef<absl::Status()> write);

  const CollectorOptions options_;
  PendingTrajectories& pending_;
  const BatchHeader header_;
  const RewardShaping& shaping_;
  BatchScorer scorer_;
  BatchInserter inserter_;
  Backoff backoff_;
  const RewardAsker::Sleeper sleep_;
  Log& log_;
  uint64_t asks_ = 0;

  absl::Mutex mu_;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  // The pointer is guarded; the stream is Run's, but for its Cancel.
  std::unique_ptr<InsertStream> inserts_ ABSL_GUARDED_BY(mu_);
};

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_PENDING_COLLECTOR_H_
