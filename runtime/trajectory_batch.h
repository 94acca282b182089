// What every receiver of a TrajectoryBatch needs: proof that its columns fit together, and where
// each trajectory's rows begin.
#ifndef ANABRANCH_RUNTIME_TRAJECTORY_BATCH_H_
#define ANABRANCH_RUNTIME_TRAJECTORY_BATCH_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "anabranch/v1/identity.pb.h"
#include "anabranch/v1/trajectory.pb.h"

namespace anabranch {

inline constexpr int64_t kKeyBytes = 16;

// Where the rows of a batch of n trajectories begin. Totals are below 2^31.
struct BatchLayout {
  int64_t size() const { return static_cast<int64_t>(actions.size()) - 1; }

  std::vector<uint32_t> actions{0};  // [n + 1]: prefix sums of lengths.
  std::vector<uint32_t> objects;  // [n + 1]: prefix sums of object_lengths; empty without objects.
};

// Integers per action; 0 on the wire means 1.
inline int64_t ActionWidth(const v1::TrajectoryBatch& batch) {
  return batch.action_width() == 0 ? 1 : batch.action_width();
}

// Checks every column against every other: lengths, dictionary indices, enum values, finiteness.
// Returns why the batch must be refused (field, index, value), or nothing and fills `layout`. What
// it can't know is whether an action is legal in the environment. A batch without trajectories is
// refused, as is one that is not evaluated where `require_rewards`.
std::optional<v1::Refusal> CheckTrajectoryBatch(const v1::TrajectoryBatch& batch,
                                                bool require_rewards, BatchLayout* layout);

// Bytes that the columns of a batch take in memory.
int64_t ColumnBytes(const v1::TrajectoryBatch& batch);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_TRAJECTORY_BATCH_H_
