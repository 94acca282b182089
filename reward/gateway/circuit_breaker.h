// When a replica that keeps failing is left alone, and when it is tried again.
#ifndef ANABRANCH_REWARD_GATEWAY_CIRCUIT_BREAKER_H_
#define ANABRANCH_REWARD_GATEWAY_CIRCUIT_BREAKER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace anabranch {

struct CircuitOptions {
  int64_t failures = 5;                       // In a row, that open it; at least 1.
  absl::Duration open = absl::Seconds(2);     // Until the first probe, above 0.
  absl::Duration longest = absl::Minutes(1);  // No wait is longer, unless `open` is.

  // INVALID_ARGUMENT names the option.
  absl::Status Validate() const;
};

// Closed, it lets requests through, until so many fail in a row; then it is open, until a probe
// succeeds, for which it waits longer each time. After that it is on trial: the next request's
// failure opens it again, for longer than before, its success makes it as new. (A replica may well
// describe itself and yet evaluate nothing.) A pure function of what it is told; not thread-safe.
class CircuitBreaker {
 public:
  // The options are valid.
  explicit CircuitBreaker(const CircuitOptions& options) : options_(options), wait_(options.open) {}

  bool closed() const { return state_ != State::kOpen; }
  // Of an open one.
  absl::Time probe_at() const { return probe_at_; }

  // What became of a request. True if that has opened the circuit. Requests that were under way
  // when it opened change nothing.
  bool Failed(absl::Time now);
  void Succeeded();
  // What became of a probe, of an open one.
  void ProbeFailed(absl::Time now);
  void ProbeSucceeded() { state_ = State::kTrial; }

 private:
  enum class State { kClosed, kOpen, kTrial };
  void Open(absl::Time now);

  const CircuitOptions options_;
  State state_ = State::kClosed;
  int64_t failed_ = 0;
  absl::Duration wait_;  // Before the next probe, when it opens.
  absl::Time probe_at_ = absl::InfiniteFuture();
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_GATEWAY_CIRCUIT_BREAKER_H_
