#include "replay/replay_table.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace anabranch {
namespace {

// Keys: the table's number in the high bits, then a count.
constexpr int kKeyCountBits = 48;
constexpr double kShareTolerance = 1e-9;  // Shares of a mixture are decimal fractions.
// Keeps the streams of replay apart from all others of the run's seed.
constexpr uint64_t kRandomStreamBase = uint64_t{0x5265706C} << 32;

absl::Status Contradiction(const ReplayTableOptions& options, absl::string_view what) {
  return absl::DataLossError(absl::StrCat("state of replay table \"", options.name, "\": ", what));
}

}  // namespace

absl::Status ReplayTableOptions::Validate() const {
  if (name.empty()) return absl::InvalidArgumentError("replay table: name: is empty");
  const std::string prefix = absl::StrCat("replay table \"", name, "\": ");
  if (max_items < 1 || max_items > UINT32_MAX - 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(prefix, "max_items: is ", max_items, "; 1 to 4294967294 is possible"));
  }
  if (max_bytes < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(prefix, "max_bytes: is ", max_bytes, "; 0 means no limit"));
  }
  if (max_times_sampled < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(prefix, "max_times_sampled: is ", max_times_sampled, "; 0 means no limit"));
  }
  if (absl::Status status = pacing.Validate(); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(prefix, status.message()));
  }
  if (max_times_sampled > 0 &&
      pacing.samples_per_insert > static_cast<double>(max_times_sampled) * (1 + kShareTolerance)) {
    return absl::InvalidArgumentError(absl::StrCat(
        prefix, "samples_per_insert: is ", pacing.samples_per_insert, ", but an item goes after ",
        max_times_sampled, " samples; raise max_times_sampled or set it to 0 (no limit)"));
  }
  if (pacing.min_size_to_sample > max_items) {
    return absl::InvalidArgumentError(absl::StrCat(prefix, "min_size_to_sample: is ",
                                                   pacing.min_size_to_sample,
                                                   ", more than max_items (", max_items, ")"));
  }
  return absl::OkStatus();
}

absl::Status ReplayTableOptions::CheckFits(const Chunk& chunk) const {
  if (chunk.rows() > max_items) {
    return absl::InvalidArgumentError(absl::StrCat("lengths: ", chunk.rows(),
                                                   " trajectories are more than table \"", name,
                                                   "\" holds (max_items = ", max_items, ")"));
  }
  if (max_bytes > 0 && chunk.bytes() > max_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("batch: its ", chunk.bytes(),
                                                   " bytes are more than table \"", name,
                                                   "\" holds (max_bytes = ", max_bytes, ")"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<ReplayTable>> ReplayTable::Create(const ReplayTableOptions& options,
                                                                 uint32_t number, uint64_t seed) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<Selector>> sampler = MakeSelector(options.selector);
  if (!sampler.ok()) return sampler.status();
  return std::unique_ptr<ReplayTable>(new ReplayTable(options, number, seed, *std::move(sampler)));
}

ReplayTable::ReplayTable(const ReplayTableOptions& options, uint32_t number, uint64_t seed,
                         std::unique_ptr<Selector> sampler)
    : options_(options),
      number_(number),
      seed_(seed),
      random_(seed, kRandomStreamBase + number),
      sampler_(std::move(sampler)),
      remover_(MakeFifoSelector()),
      limiter_(options.pacing),
      next_key_(uint64_t{number} << kKeyCountBits) {}

uint32_t ReplayTable::AddChunk(const ChunkRef& chunk) {
  if (free_chunks_.empty()) {
    free_chunks_.push_back(static_cast<uint32_t>(chunks_.size()));
    chunks_.emplace_back();
  }
  const uint32_t slot = free_chunks_.back();
  free_chunks_.pop_back();
  chunks_[slot].chunk = chunk;
  stats_.bytes += chunk->bytes();
  return slot;
}

void ReplayTable::AddItem(const Item& item, double priority) {
  if (free_items_.empty()) {
    free_items_.push_back(static_cast<uint32_t>(items_.size()));
    items_.emplace_back();
  }
  const uint32_t slot = free_items_.back();
  free_items_.pop_back();
  items_[slot] = item;
  ++chunks_[item.chunk].items;
  ++stats_.items;
  draws_left_ += options_.max_times_sampled - item.times_sampled;
  sampler_->Insert(slot, priority);
  remover_->Insert(slot, priority);
}

void ReplayTable::RemoveItem(uint32_t slot, std::vector<ChunkRef>& garbage) {
  sampler_->Remove(slot);
  remover_->Remove(slot);
  const Item& item = items_[slot];
  draws_left_ -= options_.max_times_sampled - item.times_sampled;
  --stats_.items;
  ChunkSlot& chunk = chunks_[item.chunk];
  if (--chunk.items == 0) {
    stats_.bytes -= chunk.chunk->bytes();
    garbage.push_back(std::move(chunk.chunk));
    chunk = ChunkSlot();
    free_chunks_.push_back(item.chunk);
  }
  free_items_.push_back(slot);
}

bool ReplayTable::IsFull(int64_t more_items, int64_t more_bytes) const {
  return stats_.items + more_items > options_.max_items ||
         (options_.max_bytes > 0 && stats_.bytes + more_bytes > options_.max_bytes);
}

void ReplayTable::MakeRoom(int64_t items, int64_t bytes, std::vector<ChunkRef>& garbage) {
  while (stats_.items > 0 && IsFull(items, bytes)) {
    ++(stats_.items + items > options_.max_items ? stats_.evicted_for_items
                                                 : stats_.evicted_for_bytes);
    RemoveItem(remover_->Select(random_).slot, garbage);
  }
}

void ReplayTable::Insert(const ChunkRef& chunk, std::span<const double> priorities,
                         std::vector<ChunkRef>& garbage) {
  const auto rows = static_cast<uint32_t>(chunk->rows());
  MakeRoom(rows, chunk->bytes(), garbage);
  const uint32_t slot = AddChunk(chunk);
  for (uint32_t row = 0; row < rows; ++row) {
    AddItem({slot, row, 0, next_key_++}, priorities.empty() ? 1.0 : priorities[row]);
  }
  limiter_.DidInsert(rows);
}

bool ReplayTable::CanSample(int64_t n) const {
  if (n == 0) return true;
  if (stats_.items == 0) return false;
  if (options_.max_times_sampled > 0 && draws_left_ < n) return false;
  return limiter_.CanSample(n, stats_.items);
}

uint32_t ReplayTable::IndexInSample(ChunkSlot& slot, SampledRows& out) {
  if (slot.last_sample != sample_number_) {
    slot.last_sample = sample_number_;
    slot.index_in_sample = static_cast<uint32_t>(out.chunks.size());
    out.chunks.push_back(slot.chunk);
  }
  return slot.index_in_sample;
}

void ReplayTable::Sample(int64_t n, uint32_t table_index, SampledRows& out,
                         std::vector<ChunkRef>& garbage) {
  ++sample_number_;
  for (int64_t i = 0; i < n; ++i) {
    const Selector::Draw draw = sampler_->Select(random_);
    Item& item = items_[draw.slot];
    ++item.times_sampled;
    --draws_left_;
    out.rows.push_back({IndexInSample(chunks_[item.chunk], out), item.row});
    out.keys.push_back(item.key);
    out.probabilities.push_back(draw.probability);
    out.times_sampled.push_back(item.times_sampled);
    out.table_index.push_back(table_index);
    if (item.times_sampled == options_.max_times_sampled) {
      ++stats_.used_up;
      RemoveItem(draw.slot, garbage);
    }
  }
  limiter_.DidSample(n);
}

ReplayTableStats ReplayTable::stats() const {
  ReplayTableStats stats = stats_;
  stats.inserts = limiter_.inserts();
  stats.samples = limiter_.samples();
  return stats;
}

void ReplayTable::Save(SavedChunks& saved, v1::ReplayTableState& state) const {
  state.set_name(options_.name);
  std::vector<uint32_t> slots;
  remover_->AppendOrder(slots);
  std::vector<uint32_t> ranks(items_.size());
  for (uint32_t rank = 0; rank < slots.size(); ++rank) {
    const Item& item = items_[slots[rank]];
    const ChunkRef& chunk = chunks_[item.chunk].chunk;
    const auto [found, is_new] =
        saved.index.try_emplace(chunk.get(), static_cast<uint32_t>(saved.chunks.size()));
    if (is_new) saved.chunks.push_back(chunk);
    ranks[slots[rank]] = rank;
    state.add_item_chunks(found->second);
    state.add_item_rows(item.row);
    state.add_item_times_sampled(item.times_sampled);
    state.add_item_keys(item.key);
  }
  slots.clear();
  sampler_->AppendOrder(slots);
  for (const uint32_t slot : slots) state.add_sampler_order(ranks[slot]);
  state.set_next_key(next_key_);
  state.mutable_random()->set_name(absl::StrCat("replay/", options_.name));
  state.mutable_random()->set_seed(seed_);
  state.mutable_random()->set_stream(kRandomStreamBase + number_);
  state.mutable_random()->set_position(random_.position());
  state.set_inserts(limiter_.inserts());
  state.set_samples(limiter_.samples());
  state.set_duplicates(stats_.duplicates);
  state.set_evicted_for_items(stats_.evicted_for_items);
  state.set_evicted_for_bytes(stats_.evicted_for_bytes);
  state.set_used_up(stats_.used_up);
}

absl::Status ReplayTable::RestoreItems(const v1::ReplayTableState& state,
                                       std::span<const ChunkRef> chunks) {
  const int n = state.item_keys_size();
  if (state.item_chunks_size() != n || state.item_rows_size() != n ||
      state.item_times_sampled_size() != n || state.sampler_order_size() != n) {
    return Contradiction(options_, "its item columns differ in length");
  }
  std::vector<uint32_t> slots(chunks.size(), UINT32_MAX);
  for (int i = 0; i < n; ++i) {
    const uint32_t chunk = state.item_chunks(i);
    if (chunk >= chunks.size() || state.item_rows(i) >= chunks[chunk]->rows()) {
      return Contradiction(options_, absl::StrCat("item ", i, " names a row that isn't there"));
    }
    const uint32_t times = state.item_times_sampled(i);
    if (options_.max_times_sampled > 0 && times >= options_.max_times_sampled) {
      return Contradiction(options_, absl::StrCat("item ", i, " was sampled ", times, " times"));
    }
    if (slots[chunk] == UINT32_MAX) slots[chunk] = AddChunk(chunks[chunk]);
    AddItem({slots[chunk], state.item_rows(i), times, state.item_keys(i)}, 1.0);
  }
  return absl::OkStatus();
}

// The sampler holds the items in the order of insertion; gives it the saved order.
absl::Status ReplayTable::RestoreSampler(const v1::ReplayTableState& state) {
  std::vector<uint32_t> slots;
  remover_->AppendOrder(slots);
  for (const uint32_t slot : slots) sampler_->Remove(slot);
  std::vector<bool> seen(slots.size());
  for (const uint32_t rank : state.sampler_order()) {
    if (rank >= slots.size() || seen[rank]) {
      return Contradiction(options_, "sampler_order is not a permutation");
    }
    seen[rank] = true;
    sampler_->Insert(slots[rank], 1.0);
  }
  return absl::OkStatus();
}

absl::Status ReplayTable::Restore(const v1::ReplayTableState& state,
                                  std::span<const ChunkRef> chunks) {
  if (state.name() != options_.name) {
    return absl::FailedPreconditionError(absl::StrCat(
        "replay table \"", options_.name, "\": the state is of \"", state.name(), "\""));
  }
  if (state.random().seed() != seed_ || state.random().stream() != kRandomStreamBase + number_) {
    return absl::FailedPreconditionError(
        absl::StrCat("replay table \"", options_.name, "\": the state was made with seed ",
                     state.random().seed(), ", this run's is ", seed_));
  }
  if (absl::Status status = RestoreItems(state, chunks); !status.ok()) return status;
  if (absl::Status status = RestoreSampler(state); !status.ok()) return status;
  next_key_ = state.next_key();
  random_.SeekTo(state.random().position());
  limiter_.Restore(static_cast<int64_t>(state.inserts()), static_cast<int64_t>(state.samples()));
  stats_.duplicates = static_cast<int64_t>(state.duplicates());
  stats_.evicted_for_items = static_cast<int64_t>(state.evicted_for_items());
  stats_.evicted_for_bytes = static_cast<int64_t>(state.evicted_for_bytes());
  stats_.used_up = static_cast<int64_t>(state.used_up());
  return absl::OkStatus();
}

}  // namespace anabranch
