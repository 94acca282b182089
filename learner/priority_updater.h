// Losses on their way back to replay, as priorities.
#ifndef ANABRANCH_LEARNER_PRIORITY_UPDATER_H_
#define ANABRANCH_LEARNER_PRIORITY_UPDATER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "runtime/channels.h"

namespace anabranch {

struct PriorityUpdaterOptions {
  v1::Handshake handshake;
  // Sends within Add, so that the next batch is drawn by it: for runs in lock-step. Otherwise a
  // thread of its own sends, and nobody waits for it.
  bool synchronous = false;
  int64_t max_pending = 1 << 18;  // Items; those that come while so many wait are dropped.
  int64_t max_per_request = 1 << 15;
  // Told of a request that failed, from the sending thread; may be empty.
  std::function<void(absl::string_view)> warn;
};

// Thread-safe. Replay outlives it.
class PriorityUpdater {
 public:
  PriorityUpdater(PriorityUpdaterOptions options, ReplayClient& replay);
  // Doesn't send what is still waiting: a priority is worth little once its learner is gone.
  ~PriorityUpdater();

  // A later priority of an item replaces one that still waits. Priorities are finite and not
  // negative.
  void Add(const std::string& table, const std::map<uint64_t, double>& priorities);

  int64_t updated() const;  // Items that replay has changed.
  int64_t dropped() const;  // Items that never got there.
  // Blocks until nothing waits and nothing is under way.
  void Flush();

 private:
  using Pending = std::map<std::string, absl::flat_hash_map<uint64_t, double>>;  // By table.

  void Work();
  void Send(const Pending& pending);
  void SendRequest(const v1::UpdatePrioritiesRequest& request);
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return stopping_ || waiting_ > 0; }
  bool IsIdle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return waiting_ == 0 && !sending_; }

  const PriorityUpdaterOptions options_;
  ReplayClient& replay_;
  mutable absl::Mutex mu_;
  Pending pending_ ABSL_GUARDED_BY(mu_);
  int64_t waiting_ ABSL_GUARDED_BY(mu_) = 0;  // Items in pending_.
  bool sending_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  int64_t updated_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t dropped_ ABSL_GUARDED_BY(mu_) = 0;
  std::thread thread_;
};

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_PRIORITY_UPDATER_H_
