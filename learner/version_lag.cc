#include "learner/version_lag.h"

#include <algorithm>
#include <cmath>

namespace anabranch {

void VersionLag::Add(const v1::PolicyVersion& newest, std::span<const uint64_t> generations,
                     std::span<const uint64_t> versions, std::span<const int32_t> rows) {
  last_.clear();
  if (generations.empty()) return;
  for (const int32_t row : rows) {
    if (generations[row] == 0) continue;
    if (generations[row] != newest.generation()) {
      ++older_generations_;
      continue;
    }
    const uint64_t behind = newest.version() - std::min(newest.version(), versions[row]);
    const auto lag = static_cast<int64_t>(std::min<uint64_t>(behind, kMaxLag));
    last_.push_back(lag);
    if (lag >= static_cast<int64_t>(counts_.size())) counts_.resize(lag + 1);
    ++counts_[lag];
    ++count_;
    sum_ += lag;
  }
}

double VersionLag::Mean() const {
  return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
}

int64_t VersionLag::Quantile(double share) const {
  const auto wanted = static_cast<int64_t>(std::ceil(share * static_cast<double>(count_)));
  int64_t seen = 0;
  for (size_t lag = 0; lag < counts_.size(); ++lag) {
    seen += counts_[lag];
    if (seen >= wanted) return static_cast<int64_t>(lag);
  }
  return 0;
}

}  // namespace anabranch
