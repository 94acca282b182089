// A replay table's state and back.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "replay/replay_table.h"

namespace anabranch {
namespace {

absl::Status Contradiction(const ReplayTableOptions& options, absl::string_view what) {
  return absl::DataLossError(absl::StrCat("state of replay table \"", options.name, "\": ", what));
}

}  // namespace

// Leased items have the place that they would be returned to.
void ReplayTable::AppendSamplerOrder(std::vector<uint32_t>& slots) const {
  if (stats_.leased == 0) return sampler_->AppendOrder(slots);
  remover_->AppendOrder(slots);
  if (options_.max_times_sampled == 1) return;  // Nothing was drawn before: it is the same order.
  std::erase_if(slots, [this](uint32_t slot) { return items_[slot].leases == 0; });
  std::vector<uint32_t> held;
  sampler_->AppendOrder(held);
  std::erase_if(held, [this](uint32_t slot) { return items_[slot].leases > 0; });
  slots.insert(slots.end(), held.begin(), held.end());
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
    state.add_item_times_sampled(item.times_sampled - item.leases);
    state.add_item_keys(item.key);
    if (uses_priorities()) state.add_item_priorities(priorities_[slots[rank]]);
  }
  slots.clear();
  AppendSamplerOrder(slots);
  for (const uint32_t slot : slots) state.add_sampler_order(ranks[slot]);
  state.set_next_key(next_key_);
  state.mutable_random()->set_name(absl::StrCat("replay/", options_.name));
  state.mutable_random()->set_seed(seed_);
  state.mutable_random()->set_stream(kRandomStreamBase + number_);
  state.mutable_random()->set_position(random_.position());
  state.set_inserts(limiter_.inserts());
  state.set_samples(limiter_.samples() - leased_draws_);
  state.set_duplicates(stats_.duplicates);
  state.set_evicted_for_items(stats_.evicted_for_items);
  state.set_evicted_for_bytes(stats_.evicted_for_bytes);
  state.set_used_up(stats_.used_up);
}

absl::Status ReplayTable::CheckColumns(const v1::ReplayTableState& state) const {
  const int n = state.item_keys_size();
  if (state.item_chunks_size() != n || state.item_rows_size() != n ||
      state.item_times_sampled_size() != n || state.sampler_order_size() != n) {
    return Contradiction(options_, "its item columns differ in length");
  }
  if (!state.item_priorities().empty() && state.item_priorities_size() != n) {
    return Contradiction(options_, "item_priorities has another length than item_keys");
  }
  for (int i = 0; i < state.item_priorities_size(); ++i) {
    if (!std::isfinite(state.item_priorities(i)) || state.item_priorities(i) < 0) {
      return Contradiction(
          options_, absl::StrCat("item ", i, " has the priority ", state.item_priorities(i)));
    }
  }
  return absl::OkStatus();
}

absl::Status ReplayTable::RestoreItems(const v1::ReplayTableState& state,
                                       std::span<const ChunkRef> chunks) {
  if (absl::Status status = CheckColumns(state); !status.ok()) return status;
  const int n = state.item_keys_size();
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
    AddItem({.chunk = slots[chunk],
             .row = state.item_rows(i),
             .times_sampled = times,
             .key = state.item_keys(i)},
            state.item_priorities().empty() ? 1.0 : state.item_priorities(i));
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
    sampler_->Insert(slots[rank], PriorityOf(slots[rank]));
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
