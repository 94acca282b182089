// Means over the evaluations of an oracle that varies.
#ifndef ANABRANCH_REWARD_CACHE_RESULT_MEAN_H_
#define ANABRANCH_REWARD_CACHE_RESULT_MEAN_H_

#include <cstdint>

#include "reward/cache/result_store.h"

namespace anabranch {

// An answer, OK, as the mean of the `evaluations` ≥ 1 that the oracle averaged in it. Of several,
// its standard errors tell the deviations; where there are none they stay unknown.
void MakeMean(uint32_t evaluations, ObjectResult& result);

// Both together, value by value (Chan, Golub, LeVeque 1979; for one evaluation Welford's), with the
// standard error of each mean; none where a value's deviations are unknown or it counted once only.
ObjectResult MergeMeans(const ObjectResult& a, const ObjectResult& b);

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_CACHE_RESULT_MEAN_H_
