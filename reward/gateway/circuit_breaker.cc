#include "reward/gateway/circuit_breaker.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace anabranch {

absl::Status CircuitOptions::Validate() const {
  if (failures < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("circuit.failures is ", failures, ", must be at least 1"));
  }
  if (open <= absl::ZeroDuration() || open == absl::InfiniteDuration()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "circuit.open_seconds is ", absl::ToDoubleSeconds(open), ", must be above 0 and finite"));
  }
  return absl::OkStatus();
}

void CircuitBreaker::Open(absl::Time now) {
  state_ = State::kOpen;
  failed_ = 0;
  probe_at_ = now + wait_;
  wait_ = std::max(options_.open, std::min(2 * wait_, options_.longest));
}

bool CircuitBreaker::Failed(absl::Time now) {
  if (state_ == State::kOpen) return false;
  if (state_ == State::kClosed && ++failed_ < options_.failures) return false;
  Open(now);
  return true;
}

void CircuitBreaker::Succeeded() {
  if (state_ == State::kOpen) return;
  state_ = State::kClosed;
  failed_ = 0;
  wait_ = options_.open;
}

void CircuitBreaker::ProbeFailed(absl::Time now) { Open(now); }

}  // namespace anabranch
