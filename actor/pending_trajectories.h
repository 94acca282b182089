// Trajectories that wait for a slow oracle, kept so that neither a restart nor a crash loses or
// doubles one.
#ifndef ANABRANCH_ACTOR_PENDING_TRAJECTORIES_H_
#define ANABRANCH_ACTOR_PENDING_TRAJECTORIES_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "actor/score_task.h"
#include "anabranch/v1/actor_state.pb.h"
#include "anabranch/v1/replay.pb.h"
#include "gflownet/trajectory/trajectories.h"
#include "runtime/key_value_store.h"
#include "runtime/trajectory_codec.h"

namespace anabranch {

struct PendingOptions {
  std::string run_id;
  std::string environment_fingerprint;
  std::string reward_shaping_hash;
  // Batches are inserted under it, unless the store knows an earlier one. Not 0.
  uint64_t fresh_incarnation = 0;
  // With so many nothing more should be added; what is being asked about already still is.
  int64_t max_trajectories = 100'000;
};

// One trajectory of the store.
struct PendingRecord {
  std::string key;
  v1::PendingTrajectory content;
};

// A trajectory is pending, then, with its reward, part of a batch that waits to be acknowledged,
// then gone; each step is one write, so that whatever ends the process leaves it in exactly one of
// them. Thread-safe; TakeDue, Postpone, Compose and the batches are one thread's. All but the
// readings may block for the disk. What is returned as OK outlives the process, and the machine
// where doubling would be possible. Errors as KeyValueStore: with a retryable one nothing happened.
class PendingTrajectories {
 public:
  // Goes on with what the store holds. FAILED_PRECONDITION, naming both, for trajectories of
  // another run, environment or reward shaping, or of a newer format; DATA_LOSS for what can't be
  // read. The store outlives it.
  static absl::StatusOr<std::unique_ptr<PendingTrajectories>> Open(KeyValueStore& store,
                                                                   PendingOptions options);

  // The batch's deferred objects with their trajectories.
  absl::Status Add(const BatchHeader& header, const Trajectories& trajectories,
                   std::span<const DeferredObject> deferred, absl::Time now);

  // Up to `max` that are due, the longest due first: nobody else gets them until they are put off.
  // Blocks until there is one; empty once closed.
  absl::StatusOr<std::vector<PendingRecord>> TakeDue(int64_t max);
  // As they are now, due again at their ask_again_micros.
  absl::Status Postpone(std::span<const PendingRecord> records);
  // These are answered for good: what becomes of them is `batch`, which may be empty, under the
  // next sequence.
  absl::Status Compose(std::span<const std::string> keys, v1::TrajectoryBatch batch);

  // The oldest batch that isn't acknowledged, or nothing.
  absl::StatusOr<std::optional<v1::InsertBatch>> OldestBatch();
  absl::Status Acknowledged(uint64_t sequence);

  // Ends a TakeDue that waits, now and later.
  void Close();

  uint64_t client_incarnation() const { return identity_.client_incarnation(); }
  // Trajectories without an answer. Never blocks.
  int64_t size() const { return size_.load(std::memory_order_relaxed); }
  bool full() const { return size() >= options_.max_trajectories; }
  // Trajectories with an answer that replay has not acknowledged.
  int64_t unacknowledged() const;
  // When the oldest became pending; InfiniteFuture where there is none.
  absl::Time oldest() const;

 private:
  PendingTrajectories(KeyValueStore& store, PendingOptions options)
      : store_(store), options_(std::move(options)) {}

  absl::Status Load();
  // With `in_use`, the store's content means something only with the identity that it names.
  absl::Status TakeIdentity(bool in_use);
  absl::Status LoadTrajectory(absl::string_view key, absl::string_view value);
  absl::Status LoadBatch(absl::string_view value);
  void Insert(const std::string& key, const v1::PendingTrajectory& content)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::vector<std::string> AwaitDue(int64_t max);

  KeyValueStore& store_;
  const PendingOptions options_;
  v1::PendingIdentity identity_;  // Settled by Open.
  std::atomic<int64_t> size_ = 0;

  mutable absl::Mutex mu_;
  absl::CondVar changed_;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t last_sequence_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<std::string, absl::Time> since_ ABSL_GUARDED_BY(mu_);  // Of all that are pending.
  std::set<std::pair<absl::Time, std::string>> due_ ABSL_GUARDED_BY(mu_);  // Of those not taken.
  std::map<uint64_t, int64_t> batches_ ABSL_GUARDED_BY(mu_);  // Sequence to trajectories.
};

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_PENDING_TRAJECTORIES_H_
