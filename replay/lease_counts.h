// What became of the leases of a replay server.
#ifndef ANABRANCH_REPLAY_LEASE_COUNTS_H_
#define ANABRANCH_REPLAY_LEASE_COUNTS_H_

#include <cstdint>

namespace anabranch {

// Leases, counted since the server started.
struct LeaseCounts {
  int64_t outstanding = 0;  // At this moment.
  int64_t acknowledged = 0;
  int64_t released = 0;
  int64_t expired = 0;
  int64_t unknown = 0;  // Acknowledged or released after they had ended, or never given out.
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_LEASE_COUNTS_H_
