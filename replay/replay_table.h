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
#include "anabranch/v1/replay_state.pb.h"
#include "gflownet/random.h"
#include "replay/chunk.h"
#include "replay/rate_limiter.h"
#include "replay/replay_table_options.h"
#include "replay/replay_table_parts.h"
#include "replay/sampled_rows.h"
#include "replay/selector.h"

namespace anabranch {

// A plain data structure: decides nothing by time, never blocks, isn't thread-safe (TableSet is).
// The same calls with the same seed give the same answers. Chunks that lose their last item here
// are handed to the caller as garbage, who frees them when no lock is held. O(1) per item, O(log n)
// where there are priorities.
//
// Draws may be leased, from tables whose items have a last draw: an item whose draws are used up
// then stays, though it is not drawn, until they are acknowledged, or until it must make room.
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
  // Appends n drawn items. CanSample(n). With `lease`, to which they are appended, they are leased;
  // each of them must be handed to Acknowledge or Release.
  void Sample(int64_t n, uint32_t table_index, std::vector<LeasedDraw>* lease, SampledRows& out,
              std::vector<ChunkRef>& garbage);
  void Acknowledge(std::span<const LeasedDraw> lease, std::vector<ChunkRef>& garbage);
  // As if the draws had not been: items that are still held can be drawn again, before all others
  // where there is an order, and pacing has its samples back.
  void Release(std::span<const LeasedDraw> lease);

  bool uses_priorities() const { return sampler_->uses_priorities(); }
  // False if there is no such item. Only where there are priorities.
  bool UpdatePriority(uint64_t key, double priority);

  void CountDuplicates(int64_t n) { stats_.duplicates += n; }
  const ReplayTableOptions& options() const { return options_; }
  ReplayTableStats stats() const;

  // Everything that later answers depend on, with leased draws as if they had been released, except
  // the chunks themselves: items name them by their index in
  // `saved`, to which those not yet there are appended.
  void Save(SavedChunks& saved, v1::ReplayTableState& state) const;
  // The same from a saved state; the table is empty. DATA_LOSS if the state contradicts itself, and
  // then the table is not to be used.
  absl::Status Restore(const v1::ReplayTableState& state, std::span<const ChunkRef> chunks);

 private:
  struct Item {
    uint32_t chunk = 0;  // Slot in chunks_.
    uint32_t row = 0;
    uint32_t times_sampled = 0;
    uint32_t leases = 0;  // Of its draws.
    uint64_t key = 0;     // kNoKey if the slot is free.
  };
  static constexpr uint64_t kNoKey = UINT64_MAX;
  struct ChunkSlot {
    ChunkRef chunk;
    uint32_t items = 0;            // That refer to it.
    uint64_t last_sample = 0;      // Number of the last sample with a row of it, and
    uint32_t index_in_sample = 0;  // its index there.
  };

  // Keeps the streams of replay apart from all others of the run's seed.
  static constexpr uint64_t kRandomStreamBase = uint64_t{0x5265706C} << 32;

  ReplayTable(const ReplayTableOptions& options, uint32_t number, uint64_t seed,
              std::unique_ptr<Selector> sampler);
  uint32_t AddChunk(const ChunkRef& chunk);
  void AddItem(const Item& item, double priority);
  void RemoveItem(uint32_t slot, std::vector<ChunkRef>& garbage);
  // Whether the item has draws left: the sampler holds it then.
  bool IsDrawable(const Item& item) const {
    return options_.max_times_sampled == 0 || item.times_sampled < options_.max_times_sampled;
  }
  double PriorityOf(uint32_t slot) const { return priorities_.empty() ? 1.0 : priorities_[slot]; }
  // The leased item, which is one lease less; null if it had to make room.
  Item* EndLease(const LeasedDraw& draw);
  void AppendSamplerOrder(std::vector<uint32_t>& slots) const;
  void UseUp(uint32_t slot, std::vector<ChunkRef>& garbage);
  bool IsFull(int64_t more_items, int64_t more_bytes) const;
  void MakeRoom(int64_t items, int64_t bytes, std::vector<ChunkRef>& garbage);
  uint32_t IndexInSample(ChunkSlot& slot, SampledRows& out);
  absl::Status CheckColumns(const v1::ReplayTableState& state) const;
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
  int64_t draws_left_ = 0;    // Over all items; unused where items have no limit.
  int64_t undrawable_ = 0;    // Items without a draw left: all of them are leased.
  int64_t leased_draws_ = 0;  // Those of items that made room meanwhile, too.
  // Only where there are priorities:
  std::vector<double> priorities_;  // By slot.
  absl::flat_hash_map<uint64_t, uint32_t> slots_by_key_;
  ReplayTableStats stats_;
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_REPLAY_TABLE_H_
