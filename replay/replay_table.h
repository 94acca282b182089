// One table of the replay server: items in an order of insertion, each a row of a stored chunk.
#ifndef ANABRANCH_REPLAY_REPLAY_TABLE_H_
#define ANABRANCH_REPLAY_REPLAY_TABLE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "anabranch/v1/config.pb.h"
#include "anabranch/v1/replay_state.pb.h"
#include "gflownet/random.h"
#include "replay/chunk.h"
#include "replay/rate_limiter.h"
#include "replay/sampled_rows.h"
#include "replay/selector.h"

namespace anabranch {

struct ReplayTableOptions {
  std::string name;
  v1::ReplaySelector selector = v1::REPLAY_SELECTOR_FIFO;
  int64_t max_items = 100'000;  // At least 1; the oldest make room.
  int64_t max_bytes =
      int64_t{1} << 28;           // Of chunks referred to; 0 = no limit. The oldest make room.
  int64_t max_times_sampled = 1;  // After that many an item goes; 0 = no limit.
  RateLimiterOptions pacing;

  // INVALID_ARGUMENT names the option. Refuses a pacing that items can't live up to.
  absl::Status Validate() const;
  // Whether a table can hold such a chunk at all. INVALID_ARGUMENT names the limit.
  absl::Status CheckFits(const Chunk& chunk) const;
};

// Counted since the run began, in items.
struct ReplayTableStats {
  int64_t items = 0;
  int64_t bytes = 0;
  int64_t inserts = 0;
  int64_t samples = 0;
  int64_t duplicates = 0;
  int64_t evicted_for_items = 0;
  int64_t evicted_for_bytes = 0;
  int64_t used_up = 0;
};

// Chunks on their way into a saved state, each once.
struct SavedChunks {
  std::vector<ChunkRef> chunks;
  absl::flat_hash_map<const Chunk*, uint32_t> index;
};

// A plain data structure: decides nothing by time, never blocks, isn't thread-safe (TableSet is).
// The same calls with the same seed give the same answers. Chunks that lose their last item here
// are handed to the caller as garbage, who frees them when no lock is held. O(1) per item.
class ReplayTable {
 public:
  // `number` distinguishes the tables of a server: it enters item keys and random streams.
  static absl::StatusOr<std::unique_ptr<ReplayTable>> Create(const ReplayTableOptions& options,
                                                             uint32_t number, uint64_t seed);

  // Whether pacing admits n more items now.
  bool CanInsert(int64_t n) const { return limiter_.CanInsert(n); }
  // Every row of the chunk becomes an item. `priorities` is empty (1 each) or has one per row.
  void Insert(const ChunkRef& chunk, std::span<const double> priorities,
              std::vector<ChunkRef>& garbage);

  // Whether n items can be drawn now: pacing admits it, and they are there.
  bool CanSample(int64_t n) const;
  // Appends n drawn items. CanSample(n).
  void Sample(int64_t n, uint32_t table_index, SampledRows& out, std::vector<ChunkRef>& garbage);

  void CountDuplicates(int64_t n) { stats_.duplicates += n; }
  const ReplayTableOptions& options() const { return options_; }
  ReplayTableStats stats() const;

  // Everything that later answers depend on, except the chunks themselves: items name them by their
  // index in `saved`, to which those not yet there are appended.
  void Save(SavedChunks& saved, v1::ReplayTableState& state) const;
  // The same from a saved state; the table is empty. DATA_LOSS if the state contradicts itself, and
  // then the table is not to be used.
  absl::Status Restore(const v1::ReplayTableState& state, std::span<const ChunkRef> chunks);

 private:
  struct Item {
    uint32_t chunk = 0;  // Slot in chunks_.
    uint32_t row = 0;
    uint32_t times_sampled = 0;
    uint64_t key = 0;
  };
  struct ChunkSlot {
    ChunkRef chunk;
    uint32_t items = 0;            // That refer to it.
    uint64_t last_sample = 0;      // Number of the last sample with a row of it, and
    uint32_t index_in_sample = 0;  // its index there.
  };

  ReplayTable(const ReplayTableOptions& options, uint32_t number, uint64_t seed,
              std::unique_ptr<Selector> sampler);
  uint32_t AddChunk(const ChunkRef& chunk);
  void AddItem(const Item& item, double priority);
  void RemoveItem(uint32_t slot, std::vector<ChunkRef>& garbage);
  bool IsFull(int64_t more_items, int64_t more_bytes) const;
  void MakeRoom(int64_t items, int64_t bytes, std::vector<ChunkRef>& garbage);
  uint32_t IndexInSample(ChunkSlot& slot, SampledRows& out);
  absl::Status RestoreItems(const v1::ReplayTableState& state, std::span<const ChunkRef> chunks);
  absl::Status RestoreSampler(const v1::ReplayTableState& state);

  const ReplayTableOptions options_;
  const uint32_t number_;
  const uint64_t seed_;
  RandomStream random_;
  std::unique_ptr<Selector> sampler_;
  std::unique_ptr<Selector> remover_;  // Insertion order.
  RateLimiter limiter_;
  std::vector<Item> items_;  // By slot.
  std::vector<uint32_t> free_items_;
  std::vector<ChunkSlot> chunks_;
  std::vector<uint32_t> free_chunks_;
  uint64_t next_key_;
  uint64_t sample_number_ = 0;
  int64_t draws_left_ = 0;  // Over all items; unused where items have no limit.
  ReplayTableStats stats_;
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_REPLAY_TABLE_H_
