// What is worth trying again, and when.
#ifndef ANABRANCH_RUNTIME_RETRY_H_
#define ANABRANCH_RUNTIME_RETRY_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gflownet/random.h"

namespace anabranch {

// A table over (code, reason), never the message. UNAVAILABLE, ABORTED and DEADLINE_EXCEEDED are
// retryable. RESOURCE_EXHAUSTED alone is ambiguous: OVERLOADED is retryable, DISK_FULL too (space
// may be freed), MESSAGE_TOO_LARGE and others are not. UNKNOWN and INTERNAL are not, nor is what
// the caller must change: INVALID_ARGUMENT, FAILED_PRECONDITION, NOT_FOUND and their kin.
bool IsRetryable(const absl::Status& status);

struct BackoffOptions {
  absl::Duration initial = absl::Milliseconds(50);
  absl::Duration maximum = absl::Seconds(5);
  double multiplier = 2;
  double jitter = 0.5;  // Each delay is drawn from [1 − jitter, 1] of its full length.

  absl::Status Validate() const;
};

// How long to wait before each next try: exponential with jitter, so that many clients of a server
// that comes back don't come back all at once. Doesn't sleep itself. Not thread-safe.
class Backoff {
 public:
  Backoff(const BackoffOptions& options, uint64_t seed);

  absl::Duration Next();
  // After a success.
  void Reset() { tries_ = 0; }
  int64_t tries() const { return tries_; }

 private:
  const BackoffOptions options_;
  RandomStream random_;
  int64_t tries_ = 0;
};

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RETRY_H_
