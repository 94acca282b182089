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

// Most objectives of a run: their validity is one word.
inline constexpr int kMaxObjectives = 64;

// A visit reads and writes the first cache line alone.
struct alignas(64) ObjectRecord {
  double log_reward = 0;  // Of the latest evaluation; −infinity if there is none.
  uint64_t visits = 0;
  PolicyStamp last_policy;
  int64_t last_seen_micros = 0;  // Since 1970-01-01 UTC; 0 if the server has no clock.
  uint64_t valid = 0;            // Bit j: whether the raw value of objective j counts.
  uint32_t evaluations = 0;      // Averaged in the raw values.
  v1::ObjectStatus status = v1::OBJECT_STATUS_UNSPECIFIED;

  uint64_t ordinal = 0;  // Counts new objects, from 0.
  ObjectName name;
  std::string bytes;  // Canonical; empty if the trajectories came without.
  PolicyStamp first_policy;
  int64_t first_seen_micros = 0;

  bool is_valid(size_t objective) const { return (valid >> objective & 1) != 0; }
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_OBJECT_RECORD_H_
