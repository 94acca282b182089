#include "replay/wait_meter.h"

#include <algorithm>

namespace anabranch {
namespace {

const absl::Duration kWindow = absl::Minutes(1);

}  // namespace

void WaitMeter::Begin(absl::Time now) {
  if (waiting_++ == 0) since_ = now;
}

void WaitMeter::End(absl::Time now) {
  if (--waiting_ > 0) return;
  total_ += now - since_;
  recent_.push_back({since_, now});
  while (recent_.front().end < now - kWindow) recent_.pop_front();
}

WaitMeter::Report WaitMeter::Read(absl::Time now) const {
  Report report{total_, 0};
  absl::Duration recently;
  for (const Interval& interval : recent_) {
    recently +=
        std::max(absl::ZeroDuration(), interval.end - std::max(interval.begin, now - kWindow));
  }
  if (waiting_ > 0) {
    report.total += now - since_;
    recently += now - std::max(since_, now - kWindow);
  }
  report.share_of_last_minute = std::clamp(absl::FDivDuration(recently, kWindow), 0.0, 1.0);
  return report;
}

}  // namespace anabranch
