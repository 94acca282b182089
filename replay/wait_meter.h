// How long somebody has been waiting: the answer to "who waits for whom".
#ifndef ANABRANCH_REPLAY_WAIT_METER_H_
#define ANABRANCH_REPLAY_WAIT_METER_H_

#include <deque>

#include "absl/time/time.h"

namespace anabranch {

// Time in which at least one waited, in all and over the last minute. Not thread-safe.
class WaitMeter {
 public:
  struct Report {
    absl::Duration total;
    double share_of_last_minute = 0;  // 0 to 1.
  };

  void Begin(absl::Time now);
  void End(absl::Time now);
  Report Read(absl::Time now) const;

 private:
  struct Interval {
    absl::Time begin;
    absl::Time end;
  };
  int waiting_ = 0;
  absl::Time since_;             // While waiting_ > 0.
  absl::Duration total_;         // Of ended intervals.
  std::deque<Interval> recent_;  // Ended within the last minute, as of the last End.
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_WAIT_METER_H_
