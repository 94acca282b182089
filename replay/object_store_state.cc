// Objects out of the store (pages of a query, a saved state) and back into it.
#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "replay/dictionary_merge.h"
#include "replay/object_store.h"
#include "runtime/trajectory_batch.h"

namespace anabranch {
namespace {

struct Hit {
  ObjectPlace place;
  uint32_t slot = 0;
};

bool ComesFirst(const Hit& a, const Hit& b) { return a.place < b.place; }

absl::Status Contradiction(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("state of the object store: ", what));
}

// Whether every column has one entry per object.
bool ColumnsFit(const v1::ObjectStoreState& state) {
  const v1::ObjectBatch& objects = state.objects();
  const int64_t n = state.ordinals_size(), m = objects.objectives_size();
  const int sizes[] = {objects.object_lengths_size(),
                       objects.statuses_size(),
                       objects.condition_index_size(),
                       objects.evaluation_counts_size(),
                       objects.log_rewards_size(),
                       objects.visits_size(),
                       objects.first_policy_generations_size(),
                       objects.first_policy_versions_size(),
                       objects.last_policy_generations_size(),
                       objects.last_policy_versions_size(),
                       objects.first_seen_unix_micros_size(),
                       objects.last_seen_unix_micros_size()};
  const uint64_t bytes = std::accumulate(objects.object_lengths().begin(),
                                         objects.object_lengths().end(), uint64_t{0});
  return m <= kMaxObjectives &&
         std::all_of(std::begin(sizes), std::end(sizes), [n](int size) { return size == n; }) &&
         static_cast<int64_t>(objects.object_keys().size()) == kKeyBytes * n &&
         objects.object_data().size() == bytes && objects.raw_values_size() == n * m &&
         objects.raw_value_valid_size() == n * m &&
         std::all_of(objects.condition_index().begin(), objects.condition_index().end(),
                     [&](uint32_t k) { return k <= objects.conditions().count(); });
}

}  // namespace

absl::StatusOr<v1::QueryObjectsResponse> ObjectStore::Query(const v1::ObjectQuery& query,
                                                            uint64_t limit,
                                                            const std::string& cursor) const {
  std::optional<ObjectPlace> after;
  if (!cursor.empty()) {
    after = ObjectPlace::FromBytes(cursor);
    if (!after.has_value()) {
      return absl::InvalidArgumentError("cursor: isn't one that this server gave");
    }
  }
  absl::MutexLock lock(&mu_);
  const std::vector<std::string> objectives(header_.objectives().begin(),
                                            header_.objectives().end());
  absl::StatusOr<ObjectQuery> ready = ObjectQuery::Create(query, objectives);
  if (!ready.ok()) return ready.status();
  v1::QueryObjectsResponse page;
  uint64_t matches = 0;
  std::vector<Hit> hits;
  for (uint32_t slot = 0; slot < records_.size(); ++slot) {
    if (!ready->Matches(records_[slot], Values(slot))) continue;
    ++matches;
    const ObjectPlace place = ready->PlaceOf(records_[slot], Values(slot));
    if (!after.has_value() || *after < place) hits.push_back({place, slot});
  }
  const size_t count = std::min<uint64_t>(limit, hits.size());
  std::partial_sort(hits.begin(), hits.begin() + count, hits.end(), ComesFirst);
  *page.mutable_objects() = header_;
  absl::flat_hash_map<Key128, uint32_t> conditions;
  for (size_t i = 0; i < count; ++i) AppendTo(hits[i].slot, *page.mutable_objects(), conditions);
  if (count > 0 && count < hits.size()) page.set_next_cursor(hits[count - 1].place.ToBytes());
  page.set_total_matches(matches);
  return page;
}

void ObjectStore::AppendTo(uint32_t slot, v1::ObjectBatch& batch,
                           absl::flat_hash_map<Key128, uint32_t>& conditions) const {
  const ObjectRecord& record = records_[slot];
  batch.mutable_object_keys()->append(record.name.object.ToBytes());
  batch.add_object_lengths(static_cast<uint32_t>(record.bytes.size()));
  batch.mutable_object_data()->append(record.bytes);
  uint32_t condition = 0;
  if (const auto entry = conditions_.find(record.name.condition); entry != conditions_.end()) {
    const auto [found, is_new] =
        conditions.try_emplace(record.name.condition, conditions.size() + 1);
    if (is_new) {
      // The key that statistics go by, whether or not the batches brought it.
      v1::Conditions with_key = entry->second;
      with_key.set_keys(record.name.condition.ToBytes());
      AppendCondition(with_key, 0, *batch.mutable_conditions());
    }
    condition = found->second;
  }
  batch.add_condition_index(condition);
  batch.add_statuses(record.status);
  for (const double value : Values(slot)) batch.add_raw_values(value);
  for (size_t j = 0; j < num_objectives_; ++j) batch.add_raw_value_valid(record.is_valid(j));
  batch.add_evaluation_counts(record.evaluations);
  batch.add_log_rewards(record.log_reward);
  batch.add_visits(record.visits);
  batch.add_first_policy_generations(record.first_policy.generation);
  batch.add_first_policy_versions(record.first_policy.version);
  batch.add_last_policy_generations(record.last_policy.generation);
  batch.add_last_policy_versions(record.last_policy.version);
  batch.add_first_seen_unix_micros(record.first_seen_micros);
  batch.add_last_seen_unix_micros(record.last_seen_micros);
}

void ObjectStore::Save(v1::ObjectStoreState& state) const {
  absl::MutexLock lock(&mu_);
  std::vector<uint32_t> slots(records_.size());
  std::iota(slots.begin(), slots.end(), 0);
  std::sort(slots.begin(), slots.end(), [this](uint32_t a, uint32_t b) {
    mu_.AssertReaderHeld();
    return records_[a].ordinal < records_[b].ordinal;
  });
  *state.mutable_objects() = header_;
  absl::flat_hash_map<Key128, uint32_t> conditions;
  for (const uint32_t slot : slots) {
    AppendTo(slot, *state.mutable_objects(), conditions);
    state.add_ordinals(records_[slot].ordinal);
  }
  state.set_next_ordinal(next_ordinal_);
  state.set_evicted(evicted_);
  state.set_not_admitted(not_admitted_);
}

void ObjectStore::Clear() {
  header_.Clear();
  num_objectives_ = 0;
  index_.clear();
  records_.clear();
  values_.clear();
  ranking_.clear();
  conditions_.clear();
  next_ordinal_ = 0;
  evicted_ = 0;
  not_admitted_ = 0;
}

absl::Status ObjectStore::Restore(const v1::ObjectStoreState& state) {
  absl::MutexLock lock(&mu_);
  Clear();
  if (!ColumnsFit(state)) return Contradiction("its columns don't fit together");
  absl::Status status = RestoreRows(state);
  if (!status.ok()) Clear();
  return status;
}

absl::Status ObjectStore::RestoreRows(const v1::ObjectStoreState& state) {
  const v1::ObjectBatch& from = state.objects();
  header_.set_run_id(from.run_id());
  header_.set_environment_fingerprint(from.environment_fingerprint());
  header_.set_object_format(from.object_format());
  *header_.mutable_objectives() = from.objectives();
  header_.set_reward_shaping_hash(from.reward_shaping_hash());
  header_.set_reward_fingerprint(from.reward_fingerprint());
  num_objectives_ = from.objectives_size();
  std::vector<Key128> keys(from.conditions().count());
  for (size_t k = 0; k < keys.size(); ++k) {
    const std::string bytes = from.conditions().keys().substr(
        std::min(k * kKeyBytes, from.conditions().keys().size()), kKeyBytes);
    if (!Key128::FromBytes(bytes, &keys[k])) return Contradiction("a condition has no key");
    AppendCondition(from.conditions(), static_cast<int>(k), conditions_[keys[k]]);
  }
  size_t offset = 0;
  for (int i = 0; i < state.ordinals_size(); ++i) {
    ObjectRecord record;
    Key128::FromBytes({from.object_keys().data() + i * kKeyBytes, kKeyBytes}, &record.name.object);
    if (from.condition_index(i) > 0) record.name.condition = keys[from.condition_index(i) - 1];
    record.bytes = from.object_data().substr(offset, from.object_lengths(i));
    offset += from.object_lengths(i);
    record.log_reward = from.log_rewards(i);
    record.ordinal = state.ordinals(i);
    record.visits = from.visits(i);
    record.first_policy = {from.first_policy_generations(i), from.first_policy_versions(i)};
    record.last_policy = {from.last_policy_generations(i), from.last_policy_versions(i)};
    record.first_seen_micros = from.first_seen_unix_micros(i);
    record.last_seen_micros = from.last_seen_unix_micros(i);
    record.evaluations = from.evaluation_counts(i);
    record.status = static_cast<v1::ObjectStatus>(from.statuses(i));
    for (size_t j = 0; j < num_objectives_; ++j) {
      const bool valid = from.raw_value_valid(static_cast<int>(i * num_objectives_ + j));
      record.valid |= uint64_t{valid} << j;
    }
    if (!index_.emplace(record.name, static_cast<uint32_t>(i)).second) {
      return Contradiction(absl::StrCat("object ", i, " stands there twice"));
    }
    records_.push_back(std::move(record));
  }
  values_.assign(from.raw_values().begin(), from.raw_values().end());
  next_ordinal_ = state.next_ordinal();
  evicted_ = static_cast<int64_t>(state.evicted());
  not_admitted_ = static_cast<int64_t>(state.not_admitted());
  return absl::OkStatus();
}

}  // namespace anabranch
