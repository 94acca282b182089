// From raw objective values to the log-reward that a GFlowNet is trained on.
#ifndef ANABRANCH_GFLOWNET_REWARD_SHAPING_REWARD_SHAPING_H_
#define ANABRANCH_GFLOWNET_REWARD_SHAPING_REWARD_SHAPING_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gflownet/environment/reward_function.h"
#include "gflownet/reward_shaping/desirability.h"

namespace anabranch {

// With t_i the value of objective i, clipped and, where so configured, made a desirability:
enum class RewardScale {
  kLinear,  // Values are rewards, t_i ≥ 0: log R = β · log S(t), S as Scalarisation says.
  kLog,     // Values are log-rewards:      log R = β · Σ_i ±w_i t_i, minus where t_i is minimised.
};

enum class Scalarisation {
  kWeightedSum,    // S = Σ_i w_i t_i
  kProduct,        // S = Π_i t_i^{w_i}, on the linear scale only, as is
  kGeometricMean,  // S = Π_i t_i^{w_i / Σ_j w_j}.
};

enum class InvalidPolicy {
  kReject,  // The trajectory is left out of training.
  kFloor,   // It is kept with the lowest log-reward.
};

struct ObjectiveShaping {
  std::string name;
  double weight = 1.0;
  // Minimised objectives need kLog or a desirability, which has a direction of its own (and then
  // this stays true): what 1/r, −r … should be is the user's choice to state.
  bool maximize = true;
  ValueTransform transform = {};
};

struct RewardShapingOptions {
  RewardScale scale = RewardScale::kLinear;
  double exponent = 1.0;          // β
  double min_log_reward = -100.;  // Of the result; also what a reward of 0 becomes.
  InvalidPolicy invalid = InvalidPolicy::kReject;
  Scalarisation scalarisation = Scalarisation::kWeightedSum;
  std::vector<ObjectiveShaping> objectives;  // In the columns' order.

  absl::Status Validate() const;
};

struct ShapedRewards {
  std::vector<double> log_rewards;  // [n]; meaningless where not used.
  std::vector<uint8_t> used;        // [n]; 0 = leave the trajectory out.
};

// A pure function: the same values give the same log-reward in every process, now and later, and
// its hash says which function it was. Immutable and thread-safe.
class RewardShaping {
 public:
  static absl::StatusOr<RewardShaping> Create(const RewardShapingOptions& options);

  // Replaces `out`. INVALID_ARGUMENT names the column and its length, or object, objective and
  // value of the first raw value that is not finite, and of the first negative linear reward, or
  // the object whose weighted sum overflows; `out` then means nothing. Objects that failed, or that
  // miss a value that counts, are not used: no reward is ever invented.
  absl::Status Shape(const RewardColumns& raw, ShapedRewards& out) const;

  // 32 hexadecimal digits over all options.
  const std::string& hash() const { return hash_; }
  const RewardShapingOptions& options() const { return options_; }

 private:
  explicit RewardShaping(const RewardShapingOptions& options);
  absl::Status CheckColumns(const RewardColumns& raw) const;
  // log R of one object, whose values are all valid.
  absl::StatusOr<double> LogReward(int64_t object, const double* values) const;
  // t_j of a raw value; INVALID_ARGUMENT where it is not finite, or negative on the linear scale.
  absl::StatusOr<double> Transformed(int64_t object, size_t objective, double value) const;

  RewardShapingOptions options_;
  double total_weight_ = 0;
  std::string hash_;
};

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_REWARD_SHAPING_REWARD_SHAPING_H_
