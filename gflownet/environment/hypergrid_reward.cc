#include "gflownet/environment/hypergrid_reward.h"

#include <cmath>
#include <cstdlib>
#include <limits>

#include "absl/strings/str_cat.h"
#include "gflownet/environment/exact_decimal.h"

namespace anabranch {

absl::Status HypergridRewardOptions::Validate() const {
  auto check = [](absl::string_view field, double value, bool ok, absl::string_view remedy) {
    if (ok && std::isfinite(value)) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("environment.hypergrid.", field, " is ", value, "; ", remedy));
  };
  // A reward of 0 has no logarithm, and r0 is the whole reward of most cells.
  absl::Status status = check("r0", r0, r0 > 0, "give a positive number");
  if (status.ok()) status = check("r1", r1, r1 >= 0, "give 0 or more");
  if (status.ok()) status = check("r2", r2, r2 >= 0, "give 0 or more");
  return status;
}

absl::StatusOr<std::unique_ptr<HypergridReward>> HypergridReward::Create(
    const HypergridOptions& grid, const HypergridRewardOptions& options) {
  if (absl::Status status = grid.Validate(); !status.ok()) return status;
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  return std::unique_ptr<HypergridReward>(new HypergridReward(grid, options));
}

HypergridReward::HypergridReward(const HypergridOptions& grid,
                                 const HypergridRewardOptions& options)
    : grid_(grid),
      options_(options),
      fingerprint_(absl::StrCat("hypergrid-reward/1.0.0 dimensions=", grid.dimensions,
                                " side=", grid.side, " r0=", ExactDecimal(options.r0), " r1=",
                                ExactDecimal(options.r1), " r2=", ExactDecimal(options.r2))) {
  objective_.name = "reward";
  objective_.minimum = options.r0;
  objective_.maximum = options.r0 + options.r1 + options.r2;
  int32_t count = 0;
  for (int32_t s = 0; s < grid.side; ++s) mode_rank_.push_back(InMode(s) ? count++ : -1);
  // Modes are counted only while their number fits; beyond that there are too many to collect.
  constexpr int64_t kMaxModes = std::numeric_limits<int64_t>::max() / (1 << 20);
  num_modes_ = 1;
  for (int64_t d = 0; d < grid.dimensions && num_modes_ > 0; ++d) {
    num_modes_ = num_modes_ > kMaxModes ? 0 : num_modes_ * count;
  }
}

bool HypergridReward::InMode(int32_t coordinate) const {
  const int64_t m = grid_.side - 1;
  const int64_t u = std::abs(2 * int64_t{coordinate} - m);
  return 5 * u > 3 * m && 5 * u < 4 * m;
}

double HypergridReward::Reward(std::span<const int32_t> cell) const {
  const int64_t m = grid_.side - 1;
  bool plateau = true, mode = true;
  for (const int32_t coordinate : cell) {
    plateau = plateau && 2 * std::abs(2 * int64_t{coordinate} - m) > m;
    mode = mode && mode_rank_[coordinate] >= 0;
  }
  return options_.r0 + (plateau ? options_.r1 : 0.0) + (mode ? options_.r2 : 0.0);
}

void HypergridReward::Evaluate(std::span<const std::string> objects, RewardColumns& out) const {
  out.num_objectives = 1;
  out.status.assign(objects.size(), ObjectStatus::kOk);
  out.values.assign(objects.size(), 0.0);
  out.valid.assign(objects.size(), 1);
  out.reasons.clear();
  std::vector<int32_t> cell(grid_.dimensions);
  for (size_t i = 0; i < objects.size(); ++i) {
    std::string wrong = ParseHypergridObject(objects[i], static_cast<int32_t>(grid_.side), cell);
    if (wrong.empty()) {
      out.values[i] = Reward(cell);
      continue;
    }
    out.status[i] = ObjectStatus::kInvalid;
    out.valid[i] = 0;
    out.reasons.resize(objects.size());
    out.reasons[i] = std::move(wrong);
  }
}

int64_t HypergridReward::ModeOf(const std::string& object) const {
  if (num_modes_ == 0) return -1;
  std::vector<int32_t> cell(grid_.dimensions);
  if (!ParseHypergridObject(object, static_cast<int32_t>(grid_.side), cell).empty()) return -1;
  int64_t count = 0;
  for (const int32_t rank : mode_rank_) count += rank >= 0;
  int64_t mode = 0;
  for (const int32_t coordinate : cell) {
    if (mode_rank_[coordinate] < 0) return -1;
    mode = mode * count + mode_rank_[coordinate];
  }
  return mode;
}

}  // namespace anabranch
