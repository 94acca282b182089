// Hands a batch to replay until it is taken.
#ifndef ANABRANCH_ACTOR_BATCH_INSERTER_H_
#define ANABRANCH_ACTOR_BATCH_INSERTER_H_

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "anabranch/v1/replay.pb.h"
#include "runtime/channels.h"
#include "runtime/log.h"
#include "runtime/retry.h"

namespace anabranch {

// One thread uses it. The log outlives it.
class BatchInserter {
 public:
  // Waits so long and returns true, or returns false, early, when it is no use to go on.
  using Sleeper = std::function<bool(absl::Duration)>;

  // `on_retry` is called before each further try; may be empty.
  BatchInserter(const BackoffOptions& backoff, uint64_t seed, Sleeper sleep,
                std::function<void()> on_retry, Log& log);

  // OK once replay has it, as new or as a duplicate. What is worth a retry is sent again, under the
  // same sequence. CANCELLED when the sleeper says so, and when replay has ended the run; otherwise
  // why replay refuses it for good. Blocks while pacing holds inserts back.
  absl::Status Insert(InsertStream& replay, const v1::InsertBatch& batch);

 private:
  Backoff backoff_;
  const Sleeper sleep_;
  const std::function<void()> on_retry_;
  Log& log_;
};

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_BATCH_INSERTER_H_
