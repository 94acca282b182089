// Faults that are put into the program on purpose, to show that the tests notice them. Only a build
// with -DANABRANCH_SEEDED_FAULTS=ON has any; in all others nothing of this is compiled.
#ifndef ANABRANCH_GFLOWNET_SEEDED_FAULT_H_
#define ANABRANCH_GFLOWNET_SEEDED_FAULT_H_

#include "seeded_faults_enabled.h"  // Written by CMake: ANABRANCH_SEEDED_FAULTS is 0 or 1.

namespace anabranch {

// The environment variable ANABRANCH_SEEDED_FAULT of the process names one of them, as in the
// comments. scripts/seeded-faults knows which tests must fail then.
enum class SeededFault {
  kBroadcastOff,             // broadcast_off: snapshots after the first are not published.
  kAcknowledgeBeforeInsert,  // acknowledge_before_insert: a batch counts as kept before it is.
  kDuplicateCounted,         // duplicate_counted: a batch that is sent again is inserted again.
  kRewardsShifted,           // rewards_shifted: each object gets its neighbour's raw values.
  kShapingTwice,             // shaping_twice: the exponent is applied twice.
  kBackwardMaskOffByOne,     // backward_mask_off_by_one: cells at 1 can't be stepped back from.
};

#if ANABRANCH_SEEDED_FAULTS
// Reads the environment once. Thread-safe. A name that doesn't exist aborts the process.
bool IsSeeded(SeededFault fault);
#else
constexpr bool IsSeeded(SeededFault) { return false; }
#endif

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_SEEDED_FAULT_H_
