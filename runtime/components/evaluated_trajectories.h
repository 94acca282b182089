// Leaving trajectories out of a batch.
#ifndef ANABRANCH_RUNTIME_COMPONENTS_EVALUATED_TRAJECTORIES_H_
#define ANABRANCH_RUNTIME_COMPONENTS_EVALUATED_TRAJECTORIES_H_

#include <cstdint>
#include <span>

#include "runtime/trajectory_codec.h"

namespace anabranch {

// Keeps the trajectories whose entry in `keep`, [n], is not 0, in every column that is there.
// Returns how many were left out; when none were nothing is copied.
int64_t KeepTrajectories(std::span<const uint8_t> keep, EvaluatedTrajectories& columns);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_COMPONENTS_EVALUATED_TRAJECTORIES_H_
