#include "learner/batch_preparer.h"

#include <numeric>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gflownet/lap.h"
#include "runtime/components/evaluated_trajectories.h"

namespace anabranch {
namespace {

// The entries of `values` whose entry in `keep` is not 0.
void KeepEntries(std::span<const uint8_t> keep, std::vector<int32_t>& values) {
  size_t count = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (keep[i] != 0) values[count++] = values[i];
  }
  values.resize(count);
}

// One trajectory of several, as far as legality goes.
Trajectories Only(const Trajectories& all, int64_t index, int64_t first_action) {
  const int64_t length = all.lengths[index];
  auto slice = [](const auto& column, int64_t begin, int64_t count) {
    using Column = std::decay_t<decltype(column)>;
    return Column(column.begin() + begin, column.begin() + begin + count);
  };
  Trajectories one;
  one.lengths = {all.lengths[index]};
  one.actions = slice(all.actions, first_action, length);
  one.action_value_width = all.action_value_width;
  one.action_values = slice(all.action_values, first_action * all.action_value_width,
                            length * all.action_value_width);
  if (!all.prompts.empty()) one.prompts = {all.prompts[index]};
  one.condition_width = all.condition_width;
  one.conditions = slice(all.conditions, index * all.condition_width, all.condition_width);
  return one;
}

}  // namespace

absl::Status BatchPreparer::Prepare(v1::SampledBatch sampled, PreparedBatch& out) const {
  Lap lap;
  out.sampled = std::move(sampled);
  out.kept.clear();
  out.log_rewards.clear();
  out.rows.Clear();
  out.left_out = out.illegal = 0;
  out.problem.clear();
  out.decode_seconds = out.build_seconds = 0;
  const v1::TrajectoryBatch& batch = out.sampled.batch();
  if (absl::Status status = CheckIdentity(batch); !status.ok()) return status;
  auto decoded = DecodeTrajectories(batch);
  if (!decoded.ok()) {
    out.illegal = batch.lengths_size();
    out.problem = std::string(decoded.status().message());
    return absl::OkStatus();
  }
  out.kept.resize(batch.lengths_size());
  std::iota(out.kept.begin(), out.kept.end(), 0);
  if (absl::Status status = Shape(decoded->columns, out); !status.ok()) return status;
  lap.Add(out.decode_seconds);
  Build(decoded->columns, out);
  out.log_rewards.assign(decoded->columns.log_rewards.begin(), decoded->columns.log_rewards.end());
  if (modes_ != nullptr && out.size() > 0) modes_->Add(decoded->columns.trajectories);
  lap.Add(out.build_seconds);
  return absl::OkStatus();
}

absl::Status BatchPreparer::CheckIdentity(const v1::TrajectoryBatch& batch) const {
  auto mismatch = [](absl::string_view field, const std::string& theirs, const std::string& ours) {
    return absl::FailedPreconditionError(
        absl::StrCat("a sampled batch has ", field, " '", theirs, "', this learner '", ours, "'"));
  };
  if (batch.run_id() != identity_.run_id) {
    return mismatch("run_id", batch.run_id(), identity_.run_id);
  }
  if (batch.environment_fingerprint() != identity_.environment_fingerprint) {
    return mismatch("environment_fingerprint", batch.environment_fingerprint(),
                    identity_.environment_fingerprint);
  }
  return absl::OkStatus();
}

absl::Status BatchPreparer::Shape(EvaluatedTrajectories& columns, PreparedBatch& out) const {
  ShapedRewards shaped;
  if (absl::Status status = shaping_.Shape(columns.rewards, shaped); !status.ok()) return status;
  columns.log_rewards = std::move(shaped.log_rewards);
  out.left_out = KeepTrajectories(shaped.used, columns);
  KeepEntries(shaped.used, out.kept);
  return absl::OkStatus();
}

void BatchPreparer::Build(EvaluatedTrajectories& columns, PreparedBatch& out) const {
  if (out.kept.empty()) return;
  if (BuildStateRows(environment_, columns.trajectories, out.rows).ok()) return;
  LeaveOutIllegal(columns, out);
  if (out.kept.empty()) return;
  const absl::Status status = BuildStateRows(environment_, columns.trajectories, out.rows);
  if (status.ok()) return;
  out.illegal += out.size();  // Not one of them, but how they stand together.
  if (out.problem.empty()) out.problem = std::string(status.message());
  out.kept.clear();
}

void BatchPreparer::LeaveOutIllegal(EvaluatedTrajectories& columns, PreparedBatch& out) const {
  const Trajectories& all = columns.trajectories;
  std::vector<uint8_t> legal(all.size(), 1);
  StateRows rows(out.rows.observations.spec);
  int64_t first_action = 0;
  for (int64_t i = 0; i < all.size(); ++i) {
    const absl::Status status = BuildStateRows(environment_, Only(all, i, first_action), rows);
    first_action += all.lengths[i];
    if (status.ok()) continue;
    legal[i] = 0;
    if (++out.illegal == 1) {
      out.problem =
          absl::StrCat("batch.actions of trajectory ", out.kept[i], ": ", status.message());
    }
  }
  KeepTrajectories(legal, columns);
  KeepEntries(legal, out.kept);
}

}  // namespace anabranch
