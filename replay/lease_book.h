// Which draws are leased, and until when.
#ifndef ANABRANCH_REPLAY_LEASE_BOOK_H_
#define ANABRANCH_REPLAY_LEASE_BOOK_H_

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "replay/lease_counts.h"
#include "replay/replay_table_parts.h"

namespace anabranch {

// What a lease holds of one table.
struct LeasePart {
  int32_t table = 0;
  std::vector<LeasedDraw> draws;  // In the order in which they were drawn.
};

// A lease ends once: by acknowledgement, release or expiry. Not thread-safe.
class LeaseBook {
 public:
  // Ids are counted from the one after `base`, leaving out 0: a base drawn at random at each start
  // keeps a client from ending another's lease with an id of an earlier server.
  explicit LeaseBook(uint64_t base) : last_id_(base) {}

  uint64_t Add(std::vector<LeasePart> parts, absl::Time expiry);
  // What the lease held; nothing, and counted, if it has ended or never was.
  std::optional<std::vector<LeasePart>> Acknowledge(uint64_t id);
  std::optional<std::vector<LeasePart>> Release(uint64_t id);
  // What the lease held that expires first, if that is by `now`.
  std::optional<std::vector<LeasePart>> Expire(absl::Time now);

  // InfiniteFuture if there is none.
  absl::Time next_expiry() const {
    return expiries_.empty() ? absl::InfiniteFuture() : expiries_.begin()->first;
  }
  bool empty() const { return leases_.empty(); }
  LeaseCounts counts() const;

 private:
  struct Lease {
    absl::Time expiry;
    std::vector<LeasePart> parts;
  };
  std::optional<std::vector<LeasePart>> End(uint64_t id, int64_t LeaseCounts::* count);

  uint64_t last_id_;
  absl::flat_hash_map<uint64_t, Lease> leases_;
  absl::btree_set<std::pair<absl::Time, uint64_t>> expiries_;
  LeaseCounts counts_;
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_LEASE_BOOK_H_
