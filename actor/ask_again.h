// When to ask again about an object that is PENDING.
#ifndef ANABRANCH_ACTOR_ASK_AGAIN_H_
#define ANABRANCH_ACTOR_ASK_AGAIN_H_

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"

namespace anabranch {

// Waits while the oracle has no wish of its own: doubled with each time asked, from the first to
// the second.
inline constexpr absl::Duration kFirstAskAgain = absl::Seconds(1);
inline constexpr absl::Duration kLastAskAgain = absl::Minutes(1);

// How long to wait before asking about what was asked about again `asked_again` times before.
inline absl::Duration AskAgainAfter(absl::Duration wish, uint32_t asked_again) {
  if (wish > absl::ZeroDuration()) return wish;
  constexpr uint32_t kDoublings = 16;  // More than there are between the two.
  return std::min(kLastAskAgain,
                  kFirstAskAgain * (int64_t{1} << std::min(asked_again, kDoublings)));
}

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_ASK_AGAIN_H_
