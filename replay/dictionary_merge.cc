#include "replay/dictionary_merge.h"

#include <algorithm>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/repeated_field.h"
#include "runtime/trajectory_batch.h"

namespace anabranch {
namespace {

using google::protobuf::RepeatedField;
using IndexColumn = const RepeatedField<uint32_t>& (v1::TrajectoryBatch::*)() const;

template <typename T>
void AppendBytes(const RepeatedField<T>& values, int64_t begin, int64_t count, std::string& out) {
  out.append(reinterpret_cast<const char*>(values.data() + begin), count * sizeof(T));
}

// Keys of a dictionary with `entries` entries before this one: all of them have keys, or none is
// kept.
void AppendKey(const std::string& from, int64_t index, int64_t entries, std::string& to) {
  if (from.empty() || static_cast<int64_t>(to.size()) != kKeyBytes * entries) {
    to.clear();
  } else {
    to.append(from, index * kKeyBytes, kKeyBytes);
  }
}

// For each row the merged index of the entry that it names. `bytes_of(batch, entry)` identifies an
// entry, `append(batch, entry)` adds it to the merged dictionary.
template <typename BytesOf, typename Append>
void Merge(const SampledRows& sample, IndexColumn column, RepeatedField<uint32_t>& out,
           const BytesOf& bytes_of, const Append& append) {
  const auto has_column = [&](const ChunkRef& c) { return !(c->batch().*column)().empty(); };
  if (std::none_of(sample.chunks.begin(), sample.chunks.end(), has_column)) return;
  // Merged index of each entry of each chunk, 0 as long as no row has named it.
  std::vector<std::vector<uint32_t>> merged(sample.chunks.size());
  absl::flat_hash_map<std::string, uint32_t> known;
  out.Reserve(static_cast<int>(sample.size()));
  for (const RowRef& ref : sample.rows) {
    const v1::TrajectoryBatch& batch = sample.chunks[ref.chunk]->batch();
    const RepeatedField<uint32_t>& index = (batch.*column)();
    const uint32_t named = index.empty() ? 0 : index[static_cast<int>(ref.row)];
    if (named == 0) {
      out.AddAlreadyReserved(0);
      continue;
    }
    std::vector<uint32_t>& entries = merged[ref.chunk];
    if (entries.size() < named) entries.resize(named);
    uint32_t& entry = entries[named - 1];
    if (entry == 0) {
      const auto [found, is_new] = known.try_emplace(bytes_of(batch, static_cast<int>(named - 1)),
                                                     static_cast<uint32_t>(known.size() + 1));
      if (is_new) append(batch, static_cast<int>(named - 1));
      entry = found->second;
    }
    out.AddAlreadyReserved(entry);
  }
}

}  // namespace

std::string ConditionBytes(const v1::Conditions& conditions, int index) {
  std::string bytes;
  if (!conditions.inverse_temperatures().empty()) {
    AppendBytes(conditions.inverse_temperatures(), index, 1, bytes);
  }
  const int64_t preferences = conditions.preference_width(), features = conditions.feature_width();
  AppendBytes(conditions.preferences(), index * preferences, preferences, bytes);
  AppendBytes(conditions.features(), index * features, features, bytes);
  return bytes;
}

void AppendCondition(const v1::Conditions& from, int index, v1::Conditions& to) {
  if (!from.inverse_temperatures().empty()) {
    to.add_inverse_temperatures(from.inverse_temperatures(index));
  }
  const int preferences = static_cast<int>(from.preference_width());
  const int features = static_cast<int>(from.feature_width());
  to.set_preference_width(from.preference_width());
  for (int j = 0; j < preferences; ++j) {
    to.add_preferences(from.preferences(index * preferences + j));
  }
  to.set_feature_width(from.feature_width());
  for (int j = 0; j < features; ++j) to.add_features(from.features(index * features + j));
  AppendKey(from.keys(), index, to.count(), *to.mutable_keys());
  to.set_count(to.count() + 1);
}

void MergeConditions(const SampledRows& sample, v1::TrajectoryBatch& out) {
  Merge(
      sample, &v1::TrajectoryBatch::condition_index, *out.mutable_condition_index(),
      [](const v1::TrajectoryBatch& b, int k) { return ConditionBytes(b.conditions(), k); },
      [&](const v1::TrajectoryBatch& b, int k) {
        AppendCondition(b.conditions(), k, *out.mutable_conditions());
      });
}

void MergeInitialStates(const SampledRows& sample, v1::TrajectoryBatch& out) {
  // Where the entries of the chunk read last begin.
  const v1::TrajectoryBatch* offsets_of = nullptr;
  std::vector<int64_t> offsets;
  const auto bytes_of = [&](const v1::TrajectoryBatch& b, int k) {
    if (offsets_of != &b) {
      offsets_of = &b;
      offsets.assign(1, 0);
      for (const uint32_t length : b.initial_states().lengths()) {
        offsets.push_back(offsets.back() + length);
      }
    }
    return b.initial_states().data().substr(offsets[k], offsets[k + 1] - offsets[k]);
  };
  const auto append = [&](const v1::TrajectoryBatch& b, int k) {
    v1::InitialStates& to = *out.mutable_initial_states();
    AppendKey(b.initial_states().keys(), k, to.lengths_size(), *to.mutable_keys());
    to.add_lengths(b.initial_states().lengths(k));
    to.mutable_data()->append(bytes_of(b, k));
  };
  Merge(sample, &v1::TrajectoryBatch::initial_state_index, *out.mutable_initial_state_index(),
        bytes_of, append);
}

void MergeSources(const SampledRows& sample, v1::TrajectoryBatch& out) {
  Merge(
      sample, &v1::TrajectoryBatch::source_index, *out.mutable_source_index(),
      [](const v1::TrajectoryBatch& b, int k) {
        return absl::StrCat(b.sources(k).client_incarnation(), " ", b.sources(k).actor_name());
      },
      [&](const v1::TrajectoryBatch& b, int k) { *out.add_sources() = b.sources(k); });
}

}  // namespace anabranch
