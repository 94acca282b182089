// What has been found so far: modes of the reward, and distinct objects.
#ifndef ANABRANCH_GFLOWNET_EVALUATION_MODES_H_
#define ANABRANCH_GFLOWNET_EVALUATION_MODES_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "gflownet/environment/key.h"
#include "gflownet/environment/reward_function.h"

namespace anabranch {

// Which modes of the reward any object shown so far belongs to. The reward outlives it. Not
// thread-safe.
class ModeTracker {
 public:
  explicit ModeTracker(const RewardFunction& reward) : reward_(reward) {}

  void Add(std::span<const std::string> objects);

  int64_t num_found() const { return static_cast<int64_t>(found_.size()); }
  int64_t num_modes() const { return reward_.num_modes(); }
  // The modes found, ascending. A checkpoint keeps them.
  std::vector<int64_t> Found() const;
  // Goes on from what Found() gave. INVALID_ARGUMENT, naming the index, for a mode that the reward
  // has not, and then nothing is changed.
  absl::Status Restore(std::span<const int64_t> found);

 private:
  const RewardFunction& reward_;
  absl::flat_hash_set<int64_t> found_;
};

// How many distinct objects have been shown. 16 bytes each; not thread-safe.
class UniqueObjects {
 public:
  void Add(std::span<const ObjectKey> keys) { keys_.insert(keys.begin(), keys.end()); }
  int64_t count() const { return static_cast<int64_t>(keys_.size()); }

 private:
  absl::flat_hash_set<ObjectKey> keys_;
};

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_EVALUATION_MODES_H_
