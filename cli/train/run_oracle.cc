#include "cli/train/run_oracle.h"

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "learner/reward_budget.h"

namespace anabranch {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(100);  // Of whether a stop is requested.

// Of pending objects, where their oracle doesn't say when.
constexpr absl::Duration kAskAgain = absl::Seconds(1);

}  // namespace

absl::StatusOr<std::unique_ptr<RunOracle>> RunOracle::Create(const RunOracleOptions& options,
                                                             const RunComponents& components,
                                                             Log& log) {
  auto oracle = absl::WrapUnique(new RunOracle);
  const v1::RewardConfig& config = options.config.reward();
  const bool gateway =
      !config.oracles().empty() || (HasLimit(config.budget()) && !options.own_components);
  absl::Status status = gateway ? oracle->MakeStack(options, log) : oracle->MakeBuiltIn(components);
  if (!status.ok()) return status;
  return oracle;
}

absl::Status RunOracle::MakeBuiltIn(const RunComponents& components) {
  RewardServiceOptions options;
  options.name = components.environment->spec().object_format;
  options.accepted_formats = {components.environment->spec().object_format};
  options.environment_fingerprint = components.environment->spec().fingerprint;
  auto service = RewardService::Create(options, components.reward);
  if (!service.ok()) return service.status();
  built_in_ = *std::move(service);
  top_ = built_in_.get();
  return absl::OkStatus();
}

absl::Status RunOracle::MakeStack(const RunOracleOptions& options, Log& log) {
  OracleStackOptions stack;
  stack.state = options.state;
  auto made = OracleStack::Create(options.config, stack, metrics_, log);
  if (!made.ok()) return made.status();
  stack_ = *std::move(made);
  top_ = &stack_->top();
  if (absl::Status status = AwaitOracles(options); !status.ok()) return status;
  auto description = top_->Describe({});
  if (!description.ok()) return description.status();
  absl::MutexLock lock(&mu_);
  has_budget_ = description->has_budget();
  budget_ = description->budget();
  return absl::OkStatus();
}

absl::Status RunOracle::AwaitOracles(const RunOracleOptions& options) {
  std::string said;
  return stack_->AwaitOracles([&](absl::Duration time, absl::string_view waits_for) {
    if (waits_for != said) {
      said = std::string(waits_for);
      options.note(absl::StrCat("Waiting for ", said));
    }
    for (absl::Time end = absl::Now() + time; absl::Now() < end;) {
      if (options.stop_requested()) return false;
      absl::SleepFor(std::min(kPoll, end - absl::Now()));
    }
    return !options.stop_requested();
  });
}

absl::StatusOr<v1::DescribeResponse> RunOracle::Describe(const v1::DescribeRequest& request) {
  return top_->Describe(request);
}

absl::StatusOr<v1::EvaluateResponse> RunOracle::Evaluate(const v1::EvaluateRequest& request) {
  if (!may_wait()) return top_->Evaluate(request);
  {
    absl::MutexLock lock(&mu_);
    if (cancelled_) return absl::CancelledError("the run ends");
  }
  auto response = top_->Evaluate(request);
  if (!response.ok()) return response;
  Keep(*response);
  if (pending() == 0) return response;
  if (absl::Status status = HoldBack(*response); !status.ok()) return status;
  return response;
}

absl::Status RunOracle::HoldBack(v1::EvaluateResponse& response) {
  uint64_t wait = 0;  // The shortest that was asked for.
  for (uint64_t& millis : *response.mutable_retry_after_millis()) {
    if (millis == 0) continue;
    wait = wait == 0 ? millis : std::min(wait, millis);
    millis = 1;
  }
  const absl::Duration time = wait == 0 ? kAskAgain : absl::Milliseconds(wait);
  absl::MutexLock lock(&mu_);
  if (mu_.AwaitWithTimeout(absl::Condition(&cancelled_), time)) {
    return absl::CancelledError("the run ends, and does not wait for pending objects");
  }
  return absl::OkStatus();
}

void RunOracle::Keep(const v1::EvaluateResponse& response) {
  const auto& statuses = response.statuses();
  const auto count = [&statuses](v1::ObjectStatus status) {
    return std::count(statuses.begin(), statuses.end(), status);
  };
  absl::MutexLock lock(&mu_);
  refused_ = count(v1::OBJECT_STATUS_BUDGET_EXHAUSTED) > 0;
  pending_ = count(v1::OBJECT_STATUS_PENDING);
  if (!response.has_budget()) return;
  has_budget_ = true;
  budget_ = response.budget();
}

v1::RewardBudget RunOracle::budget() const {
  absl::MutexLock lock(&mu_);
  return budget_;
}

bool RunOracle::has_budget() const {
  absl::MutexLock lock(&mu_);
  return has_budget_;
}

bool RunOracle::IsSpent() const {
  absl::MutexLock lock(&mu_);
  return pending_ == 0 && (refused_ || (has_budget_ && anabranch::IsSpent(budget_)));
}

int64_t RunOracle::pending() const {
  absl::MutexLock lock(&mu_);
  return pending_;
}

void RunOracle::Cancel() {
  {
    absl::MutexLock lock(&mu_);
    cancelled_ = true;
  }
  if (stack_ != nullptr) stack_->Cancel();
}

}  // namespace anabranch
