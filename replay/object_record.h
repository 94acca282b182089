// What the replay server knows of one terminal object.
#ifndef ANABRANCH_REPLAY_OBJECT_RECORD_H_
#define ANABRANCH_REPLAY_OBJECT_RECORD_H_

#include <compare>
#include <cstdint>
#include <string>
#include <utility>

#include "anabranch/v1/reward.pb.h"
#include "gflownet/environment/key.h"

namespace anabranch {

// Statistics are per object and condition; without a condition its key is 0.
struct ObjectName {
  ObjectKey object;
  Key128 condition;

  friend bool operator==(const ObjectName&, const ObjectName&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const ObjectName& n) {
    return H::combine(std::move(h), n.object.high, n.object.low, n.condition.high, n.condition.low);
  }
};

struct PolicyStamp {
  uint64_t generation = 0;
  uint64_t version = 0;

  friend auto operator<=>(const PolicyStamp&, const PolicyStamp&) = default;
};

struct ObjectRecord {
  ObjectName name;
  std::string bytes;      // Canonical; empty if the trajectories came without.
  double log_reward = 0;  // Of the latest evaluation; −infinity if there is none.
  uint64_t ordinal = 0;   // Counts new objects, from 0.
  uint64_t visits = 0;
  PolicyStamp first_policy;
  PolicyStamp last_policy;
  int64_t first_seen_micros = 0;  // Since 1970-01-01 UTC; 0 if the server has no clock.
  int64_t last_seen_micros = 0;
  uint32_t evaluations = 0;  // Averaged in the raw values.
  v1::ObjectStatus status = v1::OBJECT_STATUS_UNSPECIFIED;
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_OBJECT_RECORD_H_
