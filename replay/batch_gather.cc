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

// Rows that follow one another in a chunk.
struct Run {
  const Chunk* chunk;
  int64_t begin;
  int64_t end;
};

// Where the entries of a run lie in a column.
struct Piece {
  const v1::TrajectoryBatch* batch;
  int64_t begin;
  int64_t count;
};

// Copies entries and returns where the next ones go. Single entries, the common case of a random
// sample, are not worth a call.
template <typename T>
T* CopyTo(const T* from, int64_t count, T* to) {
  if (count == 1) {
    *to = *from;
  } else if (count > 0) {
    std::memcpy(to, from, count * sizeof(T));
  }
  return to + count;
}

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

class Gatherer {
 public:
  Gatherer(const SampledRows& sample, v1::TrajectoryBatch& out)
      : sample_(sample), runs_(FindRuns(sample)), out_(out) {
    trajectories_ = Pieces(Per::kTrajectory);
    actions_ = Pieces(Per::kAction);
  }

  void Gather();

 private:
  template <typename Has>
  bool All(const Has& has) const {
    return std::all_of(sample_.chunks.begin(), sample_.chunks.end(),
                       [&](const ChunkRef& c) { return has(c->batch()); });
  }
  std::vector<Piece> Pieces(Per per) const {
    std::vector<Piece> pieces;
    pieces.reserve(runs_.size());
    for (const Run& run : runs_) {
      const int64_t begin = Offset(*run.chunk, per, run.begin);
      pieces.push_back({&run.chunk->batch(), begin, Offset(*run.chunk, per, run.end) - begin});
    }
    return pieces;
  }
  static int64_t Total(const std::vector<Piece>& pieces) {
    int64_t total = 0;
    for (const Piece& piece : pieces) total += piece.count;
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
  void Bytes(const std::string& (v1::TrajectoryBatch::*column)() const, std::string* to,
             const std::vector<Piece>& pieces, int64_t width) const;
  void GatherRewards();
  void GatherObjects();

  const SampledRows& sample_;
  const std::vector<Run> runs_;
  v1::TrajectoryBatch& out_;
  std::vector<Piece> trajectories_;  // Of columns with an entry per trajectory,
  std::vector<Piece> actions_;       // and of those with an entry per action.
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
  const std::vector<Piece>& pieces = per == Per::kAction ? actions_ : trajectories_;
  const int64_t total = Total(pieces) * width;
  to->Reserve(static_cast<int>(total));
  T* end = to->AddNAlreadyReserved(static_cast<int>(total));
  for (const Piece& piece : pieces) {
    const RepeatedField<T>& from = (piece.batch->*column)();
    end = CopyTo(from.data() + piece.begin * width, piece.count * width, end);
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
  for (const Piece& piece : trajectories_) {
    const RepeatedField<T>& from = (piece.batch->*column)();
    const int64_t count = piece.count * width;
    end = from.empty() ? std::fill_n(end, count, fallback)
                       : CopyTo(from.data() + piece.begin * width, count, end);
  }
}

void Gatherer::Bytes(const std::string& (v1::TrajectoryBatch::*column)() const, std::string* to,
                     const std::vector<Piece>& pieces, int64_t width) const {
  to->resize(Total(pieces) * width);
  char* end = to->data();
  for (const Piece& piece : pieces) {
    end = CopyTo((piece.batch->*column)().data() + piece.begin * width, piece.count * width, end);
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
    Bytes(&B::object_keys, out_.mutable_object_keys(), trajectories_, kKeyBytes);
  }
  if (All([](const B& b) { return !b.state_keys().empty(); })) {
    Bytes(&B::state_keys, out_.mutable_state_keys(), trajectories_, kKeyBytes);
  }
  if (All([](const B& b) { return !b.object_lengths().empty(); })) {
    out_.set_object_format(runs_.front().chunk->batch().object_format());
    Column(&B::object_lengths, out_.mutable_object_lengths(), Per::kTrajectory, 1);
    Bytes(&B::object_data, out_.mutable_object_data(), Pieces(Per::kObjectByte), 1);
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
