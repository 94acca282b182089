// What programs write to their standard error, in our log.
#ifndef ANABRANCH_REWARD_ADAPTERS_PROGRAM_LOG_H_
#define ANABRANCH_REWARD_ADAPTERS_PROGRAM_LOG_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "runtime/log.h"

namespace anabranch {

// Lets through what a program has to say, and not a flood: a burst of lines, then so many a second;
// the next line after a gap tells how many were left out. Thread-safe.
class ProgramLog {
 public:
  // The log outlives it.
  ProgramLog(std::string oracle, Log& log) : oracle_(std::move(oracle)), log_(log) {}

  // A line of a program's, at this time.
  void Line(pid_t pid, absl::string_view line, absl::Time now);
  // What is to be known of a program itself; not limited.
  void Event(pid_t pid, absl::string_view message, absl::string_view detail);

 private:
  // Whether there is room for a line; what was left out before it.
  bool Admit(absl::Time now, int64_t& left_out);

  const std::string oracle_;
  Log& log_;
  absl::Mutex mu_;
  double room_ ABSL_GUARDED_BY(mu_) = 100;
  absl::Time refilled_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  int64_t left_out_ ABSL_GUARDED_BY(mu_) = 0;
};

// Cuts a stream of bytes into lines. A line longer than kLongest is cut there, and the rest of it
// is dropped. Not thread-safe.
class LineCutter {
 public:
  static constexpr size_t kLongest = 1000;

  // Calls `take` with every line that is complete now.
  template <typename Take>
  void Add(absl::string_view bytes, Take take) {
    for (const char c : bytes) {
      if (c == '\n') {
        if (!line_.empty()) take(absl::string_view(line_));
        line_.clear();
      } else if (line_.size() < kLongest) {
        line_.push_back(c);
      }
    }
  }
  // The last line may have no end.
  template <typename Take>
  void Finish(Take take) {
    Add("\n", take);
  }

 private:
  std::string line_;
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_ADAPTERS_PROGRAM_LOG_H_
