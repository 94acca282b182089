#include "replay/object_store.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "replay/dictionary_merge.h"
#include "runtime/trajectory_batch.h"

namespace anabranch {
namespace {

constexpr double kNoLogReward = -std::numeric_limits<double>::infinity();
// With a million objects every visit misses every cache. So many rows ahead the hash table is asked
// to come, and, once it has, the record.
constexpr int kIndexAhead = 24;
constexpr int kRecordAhead = 12;

double LogRewardOf(const v1::TrajectoryBatch& batch, int row) {
  const bool has = batch.statuses(row) == v1::OBJECT_STATUS_OK && !batch.log_rewards().empty();
  return has ? batch.log_rewards(row) : kNoLogReward;
}

PolicyStamp PolicyOf(const v1::TrajectoryBatch& batch, int row) {
  if (batch.policy_generations().empty()) return {};
  return {batch.policy_generations(row), batch.policy_versions(row)};
}

// Key of each entry of the batch's conditions.
std::vector<Key128> ConditionKeys(const v1::Conditions& conditions) {
  std::vector<Key128> keys(conditions.count());
  for (size_t k = 0; k < keys.size(); ++k) {
    if (conditions.keys().empty()) {
      keys[k] = Key128::Of(ConditionBytes(conditions, static_cast<int>(k)));
    } else {
      Key128::FromBytes({conditions.keys().data() + k * kKeyBytes, kKeyBytes}, &keys[k]);
    }
  }
  return keys;
}

std::vector<ObjectName> NamesOf(const v1::TrajectoryBatch& batch,
                                std::span<const Key128> conditions) {
  std::vector<ObjectName> names(batch.lengths_size());
  for (int i = 0; i < batch.lengths_size(); ++i) {
    Key128::FromBytes({batch.object_keys().data() + i * kKeyBytes, kKeyBytes}, &names[i].object);
    const uint32_t condition = batch.condition_index().empty() ? 0 : batch.condition_index(i);
    if (condition > 0) names[i].condition = conditions[condition - 1];
  }
  return names;
}

}  // namespace

void ObjectStore::Add(const Chunk& chunk, absl::Time now) {
  const v1::TrajectoryBatch& batch = chunk.batch();
  if (batch.object_keys().empty() || batch.statuses().empty()) return;
  const std::vector<Key128> conditions = ConditionKeys(batch.conditions());
  const std::vector<ObjectName> names = NamesOf(batch, conditions);
  const int64_t micros = now == absl::InfinitePast() ? 0 : absl::ToUnixMicros(now);
  std::vector<std::string> garbage;  // Outlives the lock.
  absl::MutexLock lock(&mu_);
  Learn(batch, conditions);
  const int n = static_cast<int>(names.size());
  for (int row = 0; row < n; ++row) {
    if (row + kIndexAhead < n) index_.prefetch(names[row + kIndexAhead]);
    if (row + kRecordAhead < n) PrefetchRecord(names[row + kRecordAhead]);
    const auto found = index_.find(names[row]);
    if (found != index_.end()) {
      Visit(found->second, chunk, row, micros);
    } else {
      AddNew(names[row], chunk, row, micros, garbage);
    }
  }
}

void ObjectStore::PrefetchRecord(const ObjectName& name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) return;
  __builtin_prefetch(&records_[found->second], /*rw=*/1);
  __builtin_prefetch(Values(found->second).data(), /*rw=*/1);
}

void ObjectStore::Learn(const v1::TrajectoryBatch& batch, std::span<const Key128> conditions) {
  if (header_.run_id().empty()) {
    header_.set_run_id(batch.run_id());
    header_.set_environment_fingerprint(batch.environment_fingerprint());
    *header_.mutable_objectives() = batch.objectives();
    num_objectives_ = batch.objectives_size();
  }
  header_.set_reward_fingerprint(batch.reward_fingerprint());  // The newest, where it may change.
  if (header_.object_format().empty()) header_.set_object_format(batch.object_format());
  if (header_.reward_shaping_hash().empty()) {
    header_.set_reward_shaping_hash(batch.reward_shaping_hash());
  }
  for (size_t k = 0; k < conditions.size(); ++k) {
    const auto [entry, is_new] = conditions_.try_emplace(conditions[k]);
    if (is_new) AppendCondition(batch.conditions(), static_cast<int>(k), entry->second);
  }
}

void ObjectStore::AddNew(const ObjectName& name, const Chunk& chunk, int row, int64_t micros,
                         std::vector<std::string>& garbage) {
  const v1::TrajectoryBatch& batch = chunk.batch();
  const int64_t room = FindRoom(LogRewardOf(batch, row), garbage);
  if (room < 0) return;
  const auto slot = static_cast<uint32_t>(room);
  ObjectRecord& record = records_[slot];
  record = ObjectRecord();
  record.name = name;
  if (!chunk.layout().objects.empty()) {
    const uint32_t begin = chunk.layout().objects[row], end = chunk.layout().objects[row + 1];
    record.bytes.assign(batch.object_data(), begin, end - begin);
  }
  record.ordinal = next_ordinal_++;
  record.visits = 1;
  record.first_policy = record.last_policy = PolicyOf(batch, row);
  record.first_seen_micros = record.last_seen_micros = micros;
  Evaluate(slot, batch, row);
  index_.emplace(name, slot);
  if (!ranking_.empty()) ranking_.insert(RankOf(record, slot));
}

int64_t ObjectStore::FindRoom(double log_reward, std::vector<std::string>& garbage) {
  if (max_objects_ == 0 || static_cast<int64_t>(records_.size()) < max_objects_) {
    records_.emplace_back();
    values_.resize(values_.size() + num_objectives_);
    return static_cast<int64_t>(records_.size()) - 1;
  }
  if (ranking_.empty()) {
    for (uint32_t slot = 0; slot < records_.size(); ++slot) {
      ranking_.insert(RankOf(records_[slot], slot));
    }
  }
  const Rank lowest = *ranking_.begin();
  if (log_reward <= lowest.log_reward) {
    ++not_admitted_;
    return -1;
  }
  ++evicted_;
  ranking_.erase(ranking_.begin());
  index_.erase(records_[lowest.slot].name);
  garbage.push_back(std::move(records_[lowest.slot].bytes));
  return lowest.slot;
}

void ObjectStore::Visit(uint32_t slot, const Chunk& chunk, int row, int64_t micros) {
  ObjectRecord& record = records_[slot];
  ++record.visits;
  record.last_policy = std::max(record.last_policy, PolicyOf(chunk.batch(), row));
  record.last_seen_micros = micros;
  if (chunk.batch().statuses(row) != v1::OBJECT_STATUS_OK) return;
  const double log_reward = LogRewardOf(chunk.batch(), row);
  const bool moves = !ranking_.empty() && log_reward != record.log_reward;
  if (moves) ranking_.erase(RankOf(record, slot));
  Evaluate(slot, chunk.batch(), row);
  if (moves) ranking_.insert(RankOf(record, slot));
}

void ObjectStore::Evaluate(uint32_t slot, const v1::TrajectoryBatch& batch, int row) {
  ObjectRecord& record = records_[slot];
  const std::span<double> values = Values(slot);
  const uint32_t evaluations = batch.evaluation_counts().empty() ? 1 : batch.evaluation_counts(row);
  const double* news = batch.raw_values().data() + row * num_objectives_;
  const bool* news_valid = batch.raw_value_valid().empty()
                               ? nullptr
                               : batch.raw_value_valid().data() + row * num_objectives_;
  const bool is_first = record.status != v1::OBJECT_STATUS_OK;
  const bool is_ok = batch.statuses(row) == v1::OBJECT_STATUS_OK;
  bool differs = false;
  for (size_t j = 0; j < num_objectives_; ++j) {
    if (!is_ok || (news_valid != nullptr && !news_valid[j])) {
      if (is_first) values[j] = 0;
    } else if (is_first || !record.is_valid(j)) {
      values[j] = news[j];
      record.valid |= uint64_t{1} << j;
    } else if (values[j] != news[j]) {
      const double weight = static_cast<double>(evaluations) /
                            (static_cast<double>(record.evaluations) + evaluations);
      values[j] += (news[j] - values[j]) * weight;
      differs = true;
    }
  }
  if (is_first) {
    record.evaluations = evaluations;
  } else if (differs) {
    record.evaluations += evaluations;
  }
  record.status = static_cast<v1::ObjectStatus>(batch.statuses(row));
  record.log_reward = LogRewardOf(batch, row);
}

int64_t ObjectStore::size() const {
  absl::MutexLock lock(&mu_);
  return static_cast<int64_t>(records_.size());
}

int64_t ObjectStore::evicted() const {
  absl::MutexLock lock(&mu_);
  return evicted_;
}

int64_t ObjectStore::not_admitted() const {
  absl::MutexLock lock(&mu_);
  return not_admitted_;
}

}  // namespace anabranch
