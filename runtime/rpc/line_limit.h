// Keeps whoever may be refused a thousand times a second from filling the log.
#ifndef ANABRANCH_RUNTIME_RPC_LINE_LIMIT_H_
#define ANABRANCH_RUNTIME_RPC_LINE_LIMIT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace anabranch {

// One line a minute for each subject; a thousand subjects are told apart. Thread-safe.
class LineLimit {
 public:
  explicit LineLimit(std::function<absl::Time()> clock = absl::Now) : clock_(std::move(clock)) {}

  // Counts an event. Where its line is due: how many there were since the last one; else 0.
  int64_t Count(const std::string& subject) {
    const absl::Time now = clock_();
    absl::MutexLock lock(&mu_);
    const bool apart = subjects_.size() < kMaxSubjects || subjects_.count(subject) > 0;
    Events& events = subjects_[apart ? subject : "others"];
    ++events.since_last_line;
    if (now < events.silent_until) return 0;
    events.silent_until = now + absl::Minutes(1);
    return std::exchange(events.since_last_line, 0);
  }

 private:
  struct Events {
    absl::Time silent_until = absl::InfinitePast();
    int64_t since_last_line = 0;
  };
  static constexpr size_t kMaxSubjects = 1000;

  const std::function<absl::Time()> clock_;
  absl::Mutex mu_;
  std::map<std::string, Events> subjects_ ABSL_GUARDED_BY(mu_);
};

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_LINE_LIMIT_H_
