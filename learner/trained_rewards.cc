#include "learner/trained_rewards.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace anabranch {

void TrainedRewards::Add(std::span<const float> log_rewards) {
  for (const float log_reward : log_rewards) {
    if (size() < capacity_) {
      newest_.push_back(log_reward);
      continue;
    }
    newest_[oldest_] = log_reward;
    oldest_ = (oldest_ + 1) % capacity_;
  }
}

void TrainedRewards::Clear() {
  newest_.clear();
  oldest_ = 0;
}

double TrainedRewards::Mean() const {
  return std::accumulate(newest_.begin(), newest_.end(), 0.0) / static_cast<double>(size());
}

double TrainedRewards::Quantile(double q) const {
  if (newest_.empty()) return std::nan("");
  const auto rank = static_cast<int64_t>(std::ceil(q * static_cast<double>(size())));
  std::vector<float> sorted = newest_;
  const auto at = sorted.begin() + std::clamp<int64_t>(rank - 1, 0, size() - 1);
  std::nth_element(sorted.begin(), at, sorted.end());
  return *at;
}

void TrainedRewards::AddTo(nlohmann::ordered_json& line) const {
  if (newest_.empty()) return;
  line["trained_log_reward"] = {{"mean", Mean()},
                                {"p10", Quantile(0.1)},
                                {"p50", Quantile(0.5)},
                                {"p90", Quantile(0.9)},
                                {"max", Quantile(1)}};
}

}  // namespace anabranch
