// Recognises batches that were sent again.
#ifndef ANABRANCH_REPLAY_INSERT_WINDOW_H_
#define ANABRANCH_REPLAY_INSERT_WINDOW_H_

#include <cstdint>
#include <list>
#include <set>
#include <span>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "anabranch/v1/replay_state.pb.h"

namespace anabranch {

// A batch is named by its client's incarnation and its sequence, counted from 1. Batches may arrive
// in any order, but one that arrives kMaxGap or more sequences behind is taken for a duplicate; the
// newest kMaxClients incarnations are remembered (a forgotten one is one whose process ended long
// ago). Thread-safe; never blocks.
class InsertWindow {
 public:
  static constexpr size_t kMaxGap = 1024;
  static constexpr size_t kMaxClients = 4096;

  enum class Outcome {
    kNew,        // The caller inserts it, then calls Commit or Abandon.
    kDuplicate,  // It was committed before.
    kInProgress  // Another call is inserting it right now.
  };
  Outcome Begin(uint64_t client, uint64_t sequence);
  void Commit(uint64_t client, uint64_t sequence);
  void Abandon(uint64_t client, uint64_t sequence);
  // Highest sequence up to which all are committed; 0 for an unknown client.
  uint64_t AcknowledgedUpTo(uint64_t client) const;

  // Batches in progress are not part of the state.
  std::vector<v1::InsertWindowState> Save() const;
  // Replaces everything. DATA_LOSS if the state contradicts itself.
  absl::Status Restore(std::span<const v1::InsertWindowState* const> clients);

 private:
  struct Client {
    uint64_t floor = 0;        // All up to here are committed.
    std::set<uint64_t> above;  // Committed, beyond floor + 1.
    std::set<uint64_t> in_progress;
    std::list<uint64_t>::iterator age;  // Place in ages_.
  };
  Client& Find(uint64_t client) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable absl::Mutex mu_;
  absl::flat_hash_map<uint64_t, Client> clients_ ABSL_GUARDED_BY(mu_);
  std::list<uint64_t> ages_ ABSL_GUARDED_BY(mu_);  // Least recently heard of first.
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_INSERT_WINDOW_H_
