// How old the policies are whose trajectories are trained on.
#ifndef ANABRANCH_LEARNER_VERSION_LAG_H_
#define ANABRANCH_LEARNER_VERSION_LAG_H_

#include <cstdint>
#include <span>
#include <vector>

#include "anabranch/v1/identity.pb.h"

namespace anabranch {

// Counts trajectories by how many snapshots the newest published one is ahead of theirs. Those of
// an older generation have no such number and are counted by themselves; those that no policy made
// are not counted. Not thread-safe.
class VersionLag {
 public:
  // Lags beyond this are counted as this.
  static constexpr int64_t kMaxLag = 1 << 16;

  // Columns of a batch, [n] or empty; `rows` says which of them were trained on.
  void Add(const v1::PolicyVersion& newest, std::span<const uint64_t> generations,
           std::span<const uint64_t> versions, std::span<const int32_t> rows);

  // Of the last Add, one entry for each trajectory that has one.
  const std::vector<int64_t>& last() const { return last_; }
  int64_t count() const { return count_; }
  int64_t older_generations() const { return older_generations_; }
  double Mean() const;  // 0 before the first, as the others.
  int64_t Max() const { return counts_.empty() ? 0 : static_cast<int64_t>(counts_.size()) - 1; }
  // The smallest lag that at least this share of the trajectories, in (0, 1], don't exceed.
  int64_t Quantile(double share) const;

 private:
  std::vector<int64_t> counts_;  // By lag; the last entry isn't 0.
  std::vector<int64_t> last_;
  int64_t count_ = 0;
  int64_t sum_ = 0;
  int64_t older_generations_ = 0;
};

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_VERSION_LAG_H_
