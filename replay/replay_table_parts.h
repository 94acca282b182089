// What goes into a replay table and comes out of it, besides trajectories.
#ifndef ANABRANCH_REPLAY_REPLAY_TABLE_PARTS_H_
#define ANABRANCH_REPLAY_REPLAY_TABLE_PARTS_H_

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "replay/chunk.h"

namespace anabranch {

// Counted since the run began, in items.
struct ReplayTableStats {
  int64_t items = 0;  // Leased ones, too.
  int64_t bytes = 0;
  int64_t leased = 0;  // Items with a draw that is leased.
  int64_t inserts = 0;
  int64_t samples = 0;
  int64_t duplicates = 0;
  int64_t evicted_for_items = 0;
  int64_t evicted_for_bytes = 0;
  int64_t used_up = 0;
};

// A draw of an item under a lease.
struct LeasedDraw {
  uint32_t slot = 0;
  uint64_t key = 0;
};

// Chunks on their way into a saved state, each once.
struct SavedChunks {
  std::vector<ChunkRef> chunks;
  absl::flat_hash_map<const Chunk*, uint32_t> index;
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_REPLAY_TABLE_PARTS_H_
