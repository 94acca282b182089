#include "replay/batch_gather.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "google/protobuf/repeated_field.h"
#include "replay/dictionary_merge.h"

namespace anabranch {
namespace {

using google::protobuf::RepeatedField;

// Rows that follow one another in a chunk.
struct Run {
  const Chunk* chunk;
  int64_t begin;
  int64_t end;
};

std::vector<Run> FindRuns(const SampledRows& sample) {
  std::vector<Run> runs;
  runs.reserve(sample.rows.size());
  for (const RowRef& ref : sample.rows) {
    const Chunk* chunk = sample.chunks[ref.chunk].get();
    if (!runs.empty() && runs.back().chunk == chunk && runs.back().end == ref.row) {
      ++runs.back().end;
    } else {
      runs.push_back({chunk, ref.row, ref.row + int64_t{1}});
    }
  }
  return runs;
}

// What one entry of a column belongs to.
enum class Per { kTrajectory, kAction, kObjectByte };

// First entry of a row of the column, in units of the column's width.
int64_t Offset(const Chunk& chunk, Per per, int64_t row) {
  switch (per) {
    case Per::kTrajectory:
      return row;
    case Per::kAction:
      return chunk.layout().actions[row];
    case Per::kObjectByte:
      return chunk.layout().objects[row];
  }
  return 0;
}

class Gatherer {
 public:
  Gatherer(const SampledRows& sample, v1::TrajectoryBatch& out)
      : sample_(sample), runs_(FindRuns(sample)), out_(out) {}

  void Gather();

 private:
  template <typename Has>
  bool All(const Has& has) const {
    return std::all_of(sample_.chunks.begin(), sample_.chunks.end(),
                       [&](const ChunkRef& c) { return has(c->batch()); });
  }
  int64_t Total(Per per) const {
    int64_t total = 0;
    for (const Run& run : runs_) {
      total += Offset(*run.chunk, per, run.end) - Offset(*run.chunk, per, run.begin);
    }
    return total;
  }

  // A column that is present if it is in every chunk that has entries for it.
  template <typename T>
  void Column(const RepeatedField<T>& (v1::TrajectoryBatch::*column)() const, RepeatedField<T>* to,
              Per per, int64_t width) const;
  // A column of one entry per trajectory whose absence means that all are `fallback`.
  template <typename T>
  void ColumnOr(const RepeatedField<T>& (v1::TrajectoryBatch::*column)() const,
                RepeatedField<T>* to, int64_t width, T fallback) const;
  void Bytes(const std::string& (v1::TrajectoryBatch::*column)() const, std::string* to, Per per,
             int64_t width) const;
  void GatherRewards();
  void GatherObjects();

  const SampledRows& sample_;
  const std::vector<Run> runs_;
  v1::TrajectoryBatch& out_;
};

template <typename T>
void Gatherer::Column(const RepeatedField<T>& (v1::TrajectoryBatch::*column)() const,
                      RepeatedField<T>* to, Per per, int64_t width) const {
  if (width == 0) return;
  const auto has = [&](const ChunkRef& c) {
    return !(c->batch().*column)().empty() ||
           (per == Per::kAction && c->layout().actions.back() == 0);
  };
  if (!std::all_of(sample_.chunks.begin(), sample_.chunks.end(), has)) return;
  const int64_t total = Total(per) * width;
  to->Reserve(static_cast<int>(total));
  T* end = to->AddNAlreadyReserved(static_cast<int>(total));
  for (const Run& run : runs_) {
    const RepeatedField<T>& from = (run.chunk->batch().*column)();
    const int64_t begin = Offset(*run.chunk, per, run.begin) * width;
    const int64_t count = Offset(*run.chunk, per, run.end) * width - begin;
    if (count == 0) continue;
    std::copy_n(from.data() + begin, count, end);
    end += count;
  }
}

template <typename T>
void Gatherer::ColumnOr(const RepeatedField<T>& (v1::TrajectoryBatch::*column)() const,
                        RepeatedField<T>* to, int64_t width, T fallback) const {
  const bool absent =
      std::all_of(sample_.chunks.begin(), sample_.chunks.end(),
                  [&](const ChunkRef& c) { return (c->batch().*column)().empty(); });
  if (absent || width == 0) return;
  const int64_t total = sample_.size() * width;
  to->Reserve(static_cast<int>(total));
  T* end = to->AddNAlreadyReserved(static_cast<int>(total));
  for (const Run& run : runs_) {
    const RepeatedField<T>& from = (run.chunk->batch().*column)();
    const int64_t count = (run.end - run.begin) * width;
    if (from.empty()) {
      std::fill_n(end, count, fallback);
    } else {
      std::copy_n(from.data() + run.begin * width, count, end);
    }
    end += count;
  }
}

void Gatherer::Bytes(const std::string& (v1::TrajectoryBatch::*column)() const, std::string* to,
                     Per per, int64_t width) const {
  to->reserve(Total(per) * width);
  for (const Run& run : runs_) {
    const int64_t begin = Offset(*run.chunk, per, run.begin) * width;
    const int64_t end = Offset(*run.chunk, per, run.end) * width;
    to->append((run.chunk->batch().*column)(), begin, end - begin);
  }
}

void Gatherer::GatherRewards() {
  using B = v1::TrajectoryBatch;
  const int64_t m = out_.objectives_size();
  Column(&B::statuses, out_.mutable_statuses(), Per::kTrajectory, 1);
  Column(&B::raw_values, out_.mutable_raw_values(), Per::kTrajectory, m);
  ColumnOr(&B::raw_value_valid, out_.mutable_raw_value_valid(), m, true);
  Column(&B::raw_standard_errors, out_.mutable_raw_standard_errors(), Per::kTrajectory, m);
  ColumnOr(&B::evaluation_counts, out_.mutable_evaluation_counts(), 1, uint32_t{1});
  Column(&B::partial_raw_values, out_.mutable_partial_raw_values(), Per::kAction, m);
  Column(&B::log_rewards, out_.mutable_log_rewards(), Per::kTrajectory, 1);
  if (!out_.log_rewards().empty()) {
    out_.set_reward_shaping_hash(runs_.front().chunk->batch().reward_shaping_hash());
  }
}

void Gatherer::GatherObjects() {
  using B = v1::TrajectoryBatch;
  if (All([](const B& b) { return !b.object_keys().empty(); })) {
    Bytes(&B::object_keys, out_.mutable_object_keys(), Per::kTrajectory, kKeyBytes);
  }
  if (All([](const B& b) { return !b.state_keys().empty(); })) {
    Bytes(&B::state_keys, out_.mutable_state_keys(), Per::kTrajectory, kKeyBytes);
  }
  if (All([](const B& b) { return !b.object_lengths().empty(); })) {
    out_.set_object_format(runs_.front().chunk->batch().object_format());
    Column(&B::object_lengths, out_.mutable_object_lengths(), Per::kTrajectory, 1);
    Bytes(&B::object_data, out_.mutable_object_data(), Per::kObjectByte, 1);
  }
}

void Gatherer::Gather() {
  using B = v1::TrajectoryBatch;
  const B& first = runs_.front().chunk->batch();
  out_.set_run_id(first.run_id());
  out_.set_environment_fingerprint(first.environment_fingerprint());
  out_.set_action_width(first.action_width());
  out_.set_action_value_width(first.action_value_width());
  *out_.mutable_objectives() = first.objectives();
  out_.set_reward_fingerprint(first.reward_fingerprint());
  Column(&B::lengths, out_.mutable_lengths(), Per::kTrajectory, 1);
  Column(&B::actions, out_.mutable_actions(), Per::kAction, ActionWidth(first));
  Column(&B::action_values, out_.mutable_action_values(), Per::kAction, first.action_value_width());
  Column(&B::behaviour_log_probs, out_.mutable_behaviour_log_probs(), Per::kAction, 1);
  Column(&B::policy_log_probs, out_.mutable_policy_log_probs(), Per::kAction, 1);
  MergeInitialStates(sample_, out_);
  MergeConditions(sample_, out_);
  MergeSources(sample_, out_);
  GatherRewards();
  ColumnOr(&B::policy_generations, out_.mutable_policy_generations(), 1, uint64_t{0});
  ColumnOr(&B::policy_versions, out_.mutable_policy_versions(), 1, uint64_t{0});
  Column(&B::trajectory_numbers, out_.mutable_trajectory_numbers(), Per::kTrajectory, 1);
  ColumnOr(&B::origins, out_.mutable_origins(), 1, static_cast<int>(v1::TRAJECTORY_ORIGIN_FORWARD));
  GatherObjects();
}

bool IsWholeChunk(const SampledRows& sample) {
  if (sample.chunks.size() != 1 || sample.size() != sample.chunks[0]->rows()) return false;
  for (uint32_t i = 0; i < sample.rows.size(); ++i) {
    if (sample.rows[i].row != i) return false;
  }
  return true;
}

}  // namespace

v1::TrajectoryBatch GatherBatch(SampledRows& sample) {
  if (IsWholeChunk(sample)) {
    if (sample.chunks[0].unique()) return std::move(sample.chunks[0]).TakeBatch();
    return sample.chunks[0]->batch();
  }
  v1::TrajectoryBatch out;
  Gatherer(sample, out).Gather();
  return out;
}

}  // namespace anabranch
