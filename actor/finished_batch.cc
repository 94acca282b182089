#include "actor/finished_batch.h"

#include <numeric>
#include <span>
#include <utility>

#include "runtime/components/evaluated_trajectories.h"

namespace anabranch {
namespace {

void KeepPositions(std::span<const uint8_t> keep, std::vector<int32_t>& positions) {
  size_t kept = 0;
  for (size_t i = 0; i < keep.size(); ++i) {
    if (keep[i] != 0) positions[kept++] = positions[i];
  }
  positions.resize(kept);
}

}  // namespace

absl::StatusOr<FinishedBatch> FinishBatch(ScoreTask& task, const BatchHeader& header,
                                          const RewardShaping& shaping,
                                          EvaluatedTrajectories& columns) {
  FinishedBatch out;
  out.positions.resize(task.answered().size());
  std::iota(out.positions.begin(), out.positions.end(), 0);
  columns.rewards = std::move(task.rewards());
  KeepTrajectories(task.answered(), columns);
  KeepPositions(task.answered(), out.positions);
  if (out.positions.empty()) return out;
  ShapedRewards shaped;
  if (absl::Status status = shaping.Shape(columns.rewards, shaped); !status.ok()) return status;
  for (size_t i = 0; i < shaped.used.size() && out.why.empty(); ++i) {
    if (shaped.used[i] == 0) out.why = columns.rewards.reasons[i];
  }
  columns.log_rewards = std::move(shaped.log_rewards);
  out.rejected = KeepTrajectories(shaped.used, columns);
  KeepPositions(shaped.used, out.positions);
  if (out.positions.empty()) return out;
  auto encoded = EncodeTrajectories(columns, header);
  if (!encoded.ok()) return encoded.status();
  out.batch = *std::move(encoded);
  for (int i = 0; i < out.batch.trajectory_numbers_size(); ++i) {
    out.batch.set_trajectory_numbers(
        i, header.first_trajectory_number + static_cast<uint64_t>(out.positions[i]));
  }
  return out;
}

}  // namespace anabranch
