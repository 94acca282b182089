// The calls of a table set as they stand in its queues.
#ifndef ANABRANCH_REPLAY_WAITING_CALLS_H_
#define ANABRANCH_REPLAY_WAITING_CALLS_H_

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "replay/cancel_token.h"
#include "replay/chunk.h"
#include "replay/lease_book.h"
#include "replay/sampled_rows.h"

namespace anabranch {

// Where a chunk goes.
struct TableTarget {
  int32_t table = 0;
  std::span<const double> priorities;  // Empty, or one per row.
};

// How much of a sample comes from a table.
struct TableDraw {
  int32_t table = 0;
  int64_t count = 0;
};

// A call, on the stack of its thread. Whoever brings about that it can be served serves it, so the
// order of service is the queue's and not that in which threads happen to wake. All of it is
// guarded by the table set's lock.
struct WaitingCall {
  const CancelToken* token = nullptr;  // May be null.
  bool done = false;
  absl::Status status;  // How it ended, once done.
  absl::CondVar wake;

  void Finish(absl::Status how) {
    done = true;
    status = std::move(how);
    wake.Signal();
  }
};

struct WaitingInsert : WaitingCall {
  const ChunkRef* chunk = nullptr;
  std::span<const TableTarget> targets;  // At least one.
};

struct WaitingSample : WaitingCall {
  std::span<const TableDraw> draws;
  SampledRows* out = nullptr;
  absl::Duration lease_timeout;  // Where something is leased.
  std::vector<LeasePart> lease;  // One for each draw that is leased, in their order.
  uint64_t lease_id = 0;         // 0 until something is leased.
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_WAITING_CALLS_H_
