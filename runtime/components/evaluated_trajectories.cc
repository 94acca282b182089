#include "runtime/components/evaluated_trajectories.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace anabranch {
namespace {

// A column with `width` entries for each trajectory, or an empty one.
template <typename T>
void KeepRows(std::span<const uint8_t> keep, int64_t width, std::vector<T>& column) {
  if (column.empty()) return;
  auto out = column.begin();
  for (size_t i = 0; i < keep.size(); ++i) {
    if (keep[i] == 0) continue;
    const auto row = column.begin() + static_cast<int64_t>(i) * width;
    out = row == out ? out + width : std::move(row, row + width, out);
  }
  column.erase(out, column.end());
}

// A column with `width` entries for each action.
template <typename T>
void KeepActions(std::span<const uint8_t> keep, const std::vector<int32_t>& lengths, int64_t width,
                 std::vector<T>& column) {
  if (column.empty()) return;
  auto out = column.begin();
  auto row = column.begin();
  for (size_t i = 0; i < keep.size(); ++i) {
    const int64_t entries = lengths[i] * width;
    if (keep[i] != 0) out = row == out ? out + entries : std::move(row, row + entries, out);
    row += entries;
  }
  column.erase(out, column.end());
}

}  // namespace

int64_t KeepTrajectories(std::span<const uint8_t> keep, EvaluatedTrajectories& columns) {
  const int64_t left_out = std::count(keep.begin(), keep.end(), 0);
  if (left_out == 0) return 0;
  Trajectories& t = columns.trajectories;
  KeepActions(keep, t.lengths, 1, t.actions);
  KeepActions(keep, t.lengths, 1, t.log_pf);
  KeepActions(keep, t.lengths, t.action_value_width, t.action_values);
  KeepRows(keep, 1, t.lengths);
  KeepRows(keep, 1, t.prompts);
  KeepRows(keep, t.condition_width, t.conditions);
  KeepRows(keep, 1, t.objects);
  KeepRows(keep, 1, t.object_keys);
  KeepRows(keep, 1, t.state_keys);
  RewardColumns& r = columns.rewards;
  KeepRows(keep, 1, r.status);
  KeepRows(keep, r.num_objectives, r.values);
  KeepRows(keep, r.num_objectives, r.valid);
  KeepRows(keep, 1, r.reasons);
  KeepRows(keep, 1, columns.log_rewards);
  return left_out;
}

}  // namespace anabranch
