// The hypergrid's reward, exact in integers.
#ifndef ANABRANCH_GFLOWNET_ENVIRONMENT_HYPERGRID_REWARD_H_
#define ANABRANCH_GFLOWNET_ENVIRONMENT_HYPERGRID_REWARD_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "gflownet/environment/hypergrid.h"
#include "gflownet/environment/reward_function.h"

namespace anabranch {

// With m = side − 1 and u_d = |2 s_d − m|:
//   R = r0 + r1·[all d: 2 u_d > m] + r2·[all d: 5 u_d > 3 m and 5 u_d < 4 m],
// which is arXiv 2106.04399, 4.1 (|s/m − 0.5| in (0.25, 0.5] and (0.3, 0.4)) without the division:
// as floats the comparisons at 0.3 and 0.4 go either way, and move logZ on some grids.
struct HypergridRewardOptions {
  double r0 = 0.1;
  double r1 = 0.5;
  double r2 = 2.0;  // "Hard" is 1e-4, 1, 3.

  absl::Status Validate() const;
};

// One objective, "reward", linear and positive. Modes are the cells where the third term counts.
class HypergridReward final : public RewardFunction {
 public:
  static absl::StatusOr<std::unique_ptr<HypergridReward>> Create(
      const HypergridOptions& grid, const HypergridRewardOptions& options);

  const std::string& fingerprint() const override { return fingerprint_; }
  std::span<const ObjectiveInfo> objectives() const override { return {&objective_, 1}; }
  void Evaluate(std::span<const std::string> objects, RewardColumns& out) const override;
  int64_t num_modes() const override { return num_modes_; }
  int64_t ModeOf(const std::string& object) const override;

  // The reward of one cell.
  double Reward(std::span<const int32_t> cell) const;

 private:
  HypergridReward(const HypergridOptions& grid, const HypergridRewardOptions& options);
  bool InMode(int32_t coordinate) const;

  HypergridOptions grid_;
  HypergridRewardOptions options_;
  std::string fingerprint_;
  ObjectiveInfo objective_;
  std::vector<int32_t> mode_rank_;  // [side] number among the coordinates of modes, or −1.
  int64_t num_modes_ = 0;
};

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_ENVIRONMENT_HYPERGRID_REWARD_H_
