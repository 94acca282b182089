// What became of the objects of a batch.
#ifndef ANABRANCH_ACTOR_OBJECT_COUNTS_H_
#define ANABRANCH_ACTOR_OBJECT_COUNTS_H_

#include <cstdint>

namespace anabranch {

// Every object that was asked about is in one of them once the oracle has been asked.
struct ObjectCounts {
  int64_t scored = 0;            // OK.
  int64_t invalid = 0;           // INVALID and INFEASIBLE.
  int64_t failed = 0;            // For good, or RETRYABLE too often.
  int64_t budget_exhausted = 0;  // Not evaluated: there is no budget left.
  int64_t deferred = 0;          // To be asked about again later, by whoever took them.

  int64_t total() const { return scored + invalid + failed + budget_exhausted + deferred; }
};

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_OBJECT_COUNTS_H_
