// How many states are few enough to count.
#ifndef ANABRANCH_GFLOWNET_ENVIRONMENT_STATE_SPACE_LIMIT_H_
#define ANABRANCH_GFLOWNET_ENVIRONMENT_STATE_SPACE_LIMIT_H_

#include <cstdint>

namespace anabranch {

// Environments with more states than this have no StateSpace: one double for each would be 400 MB,
// and a table of children many times that.
inline constexpr int64_t kMaxEnumerableStates = 50'000'000;

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_ENVIRONMENT_STATE_SPACE_LIMIT_H_
