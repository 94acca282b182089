// What a replay table is told when it is made.
#ifndef ANABRANCH_REPLAY_REPLAY_TABLE_OPTIONS_H_
#define ANABRANCH_REPLAY_REPLAY_TABLE_OPTIONS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "anabranch/v1/config.pb.h"
#include "replay/chunk.h"
#include "replay/rate_limiter.h"

namespace anabranch {

struct ReplayTableOptions {
  std::string name;
  v1::ReplaySelector selector = v1::REPLAY_SELECTOR_FIFO;
  int64_t max_items = 100'000;  // At least 1; the oldest make room.
  // Of chunks referred to, those of leased items too; 0 = no limit. The oldest make room.
  int64_t max_bytes = int64_t{1} << 28;
  int64_t max_times_sampled = 1;  // After that many an item goes; 0 = no limit.
  double priority_exponent = 1;   // Of prioritised ones. Finite, at least 0.
  // Where a prioritised table has its priorities from. With LOSS those that come with inserts don't
  // count: new items have the highest in the table.
  v1::ReplayPriority priority = v1::REPLAY_PRIORITY_CLIENT;
  RateLimiterOptions pacing;

  // INVALID_ARGUMENT names the option. Refuses a pacing that items can't live up to.
  absl::Status Validate() const;
  // Whether a table can hold such a chunk at all. INVALID_ARGUMENT names the limit.
  absl::Status CheckFits(const Chunk& chunk) const;
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_REPLAY_TABLE_OPTIONS_H_
