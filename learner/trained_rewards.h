// Which rewards training has lately seen: what can be said of a run without asking an oracle anew.
#ifndef ANABRANCH_LEARNER_TRAINED_REWARDS_H_
#define ANABRANCH_LEARNER_TRAINED_REWARDS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "nlohmann/json.hpp"

namespace anabranch {

// Log-rewards (nats) of the trajectories trained on since the last Clear, repeats counted; of the
// newest `capacity` where there were more. Not thread-safe.
class TrainedRewards {
 public:
  explicit TrainedRewards(int64_t capacity = 1 << 16) : capacity_(capacity) {}

  void Add(std::span<const float> log_rewards);
  void Clear();

  int64_t size() const { return static_cast<int64_t>(newest_.size()); }
  double Mean() const;
  // The smallest value that at least a share q of all are not above, 0 ≤ q ≤ 1; by nearest rank.
  double Quantile(double q) const;

  // Adds "trained_log_reward": mean, p10, p50, p90 and max; nothing where there is none.
  void AddTo(nlohmann::ordered_json& line) const;

 private:
  const int64_t capacity_;
  std::vector<float> newest_;  // A ring once it is full,
  int64_t oldest_ = 0;         // whose oldest value stands here.
};

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_TRAINED_REWARDS_H_
