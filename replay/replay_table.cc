#include "replay/replay_table.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace anabranch {
namespace {

// Keys: the table's number in the high bits, then a count.
constexpr int kKeyCountBits = 48;

}  // namespace

absl::StatusOr<std::unique_ptr<ReplayTable>> ReplayTable::Create(const ReplayTableOptions& options,
                                                                 uint32_t number, uint64_t seed) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<Selector>> sampler =
      MakeSelector(options.selector, {.priority_exponent = options.priority_exponent});
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
  if (!uses_priorities()) return;
  priorities_.resize(items_.size());
  priorities_[slot] = priority;
  slots_by_key_[item.key] = slot;
}

void ReplayTable::RemoveItem(uint32_t slot, std::vector<ChunkRef>& garbage) {
  Item& item = items_[slot];
  if (IsDrawable(item)) {
    sampler_->Remove(slot);
  } else {
    --undrawable_;
  }
  remover_->Remove(slot);
  draws_left_ -= options_.max_times_sampled - item.times_sampled;
  --stats_.items;
  if (item.leases > 0) --stats_.leased;
  if (uses_priorities()) slots_by_key_.erase(item.key);
  item.key = kNoKey;
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
  const bool by_loss = options_.priority == v1::REPLAY_PRIORITY_LOSS;
  const double greatest = by_loss ? sampler_->max_priority() : 1.0;
  for (uint32_t row = 0; row < rows; ++row) {
    const double priority = by_loss || priorities.empty() ? greatest : priorities[row];
    AddItem({.chunk = slot, .row = row, .key = next_key_++}, priority);
  }
  limiter_.DidInsert(rows);
}

bool ReplayTable::CanSample(int64_t n) const {
  if (n == 0) return true;
  const int64_t drawable = stats_.items - undrawable_;
  if (drawable == 0) return false;
  if (options_.max_times_sampled > 0 && draws_left_ < n) return false;
  return limiter_.CanSample(n, drawable);
}

uint32_t ReplayTable::IndexInSample(ChunkSlot& slot, SampledRows& out) {
  if (slot.last_sample != sample_number_) {
    slot.last_sample = sample_number_;
    slot.index_in_sample = static_cast<uint32_t>(out.chunks.size());
    out.chunks.push_back(slot.chunk);
  }
  return slot.index_in_sample;
}

void ReplayTable::Sample(int64_t n, uint32_t table_index, std::vector<LeasedDraw>* lease,
                         SampledRows& out, std::vector<ChunkRef>& garbage) {
  ++sample_number_;
  for (int64_t i = 0; i < n; ++i) {
    const Selector::Draw draw = sampler_->Select(random_);
    Item& item = items_[draw.slot];
    ++item.times_sampled;
    --draws_left_;
    out.rows.push_back({IndexInSample(chunks_[item.chunk], out), item.row});
    out.keys.push_back(item.key);
    out.probabilities.push_back(draw.probability);
    out.priorities.push_back(PriorityOf(draw.slot));
    out.times_sampled.push_back(item.times_sampled);
    out.table_index.push_back(table_index);
    if (lease != nullptr) {
      lease->push_back({draw.slot, item.key});
      if (item.leases++ == 0) ++stats_.leased;
      ++leased_draws_;
    }
    if (IsDrawable(item)) continue;
    sampler_->Remove(draw.slot);
    ++undrawable_;
    if (item.leases == 0) UseUp(draw.slot, garbage);
  }
  limiter_.DidSample(n);
}

void ReplayTable::UseUp(uint32_t slot, std::vector<ChunkRef>& garbage) {
  ++stats_.used_up;
  RemoveItem(slot, garbage);
}

ReplayTable::Item* ReplayTable::EndLease(const LeasedDraw& draw) {
  --leased_draws_;
  Item& item = items_[draw.slot];
  if (item.key != draw.key) return nullptr;
  if (--item.leases == 0) --stats_.leased;
  return &item;
}

void ReplayTable::Acknowledge(std::span<const LeasedDraw> lease, std::vector<ChunkRef>& garbage) {
  for (const LeasedDraw& draw : lease) {
    const Item* item = EndLease(draw);
    if (item != nullptr && item->leases == 0 && !IsDrawable(*item)) UseUp(draw.slot, garbage);
  }
}

void ReplayTable::Release(std::span<const LeasedDraw> lease) {
  // From the last to the first: that is how an order is found again without a search.
  for (size_t i = lease.size(); i-- > 0;) {
    Item* item = EndLease(lease[i]);
    if (item == nullptr) continue;
    if (IsDrawable(*item)) {
      sampler_->Remove(lease[i].slot);
    } else {
      --undrawable_;
    }
    --item->times_sampled;
    ++draws_left_;
    sampler_->Return(lease[i].slot, item->key, PriorityOf(lease[i].slot));
  }
  limiter_.DidSample(-static_cast<int64_t>(lease.size()));
}

bool ReplayTable::UpdatePriority(uint64_t key, double priority) {
  const auto found = slots_by_key_.find(key);
  if (found == slots_by_key_.end()) return false;
  priorities_[found->second] = priority;
  if (IsDrawable(items_[found->second])) sampler_->Update(found->second, priority);
  return true;
}

ReplayTableStats ReplayTable::stats() const {
  ReplayTableStats stats = stats_;
  stats.inserts = limiter_.inserts();
  stats.samples = limiter_.samples();
  return stats;
}

}  // namespace anabranch
