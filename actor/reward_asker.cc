#include "actor/reward_asker.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/error_reason.h"

namespace anabranch {
namespace {

// The first time, then ever more rarely: an outage of an hour is a few lines.
bool IsPowerOfTwo(int64_t n) { return (n & (n - 1)) == 0; }

absl::Status Cancelled() { return absl::CancelledError("the actor ends"); }

}  // namespace

RewardAsker::RewardAsker(RewardClient& reward, const BackoffOptions& backoff, uint64_t seed,
                         Sleeper sleep, OnRetry on_retry, Log& log)
    : reward_(reward),
      backoff_(backoff, seed),
      rounds_(backoff, ~seed),
      sleep_(std::move(sleep)),
      on_retry_(std::move(on_retry)),
      log_(log) {}

bool RewardAsker::Wait(const absl::Status& why, Retry kind, const ScoreTask& task) {
  on_retry_(kind);
  const absl::Duration delay = backoff_.Next();
  if (IsPowerOfTwo(backoff_.tries())) {
    log_.Warning(kind == Retry::kFailed
                     ? "the reward service did not answer; asking again"
                     : "the reward service's answer does not fit the question; asking again",
                 {{"request_id", task.request().request_id()},
                  {"code", absl::StatusCodeToString(why.code())},
                  {"reason", ReasonOf(why)},
                  {"error", std::string(why.message())},
                  {"tries", absl::StrCat(backoff_.tries())},
                  {"retry_in", absl::FormatDuration(delay)}});
  }
  return sleep_(delay);
}

absl::Status RewardAsker::Ask(ScoreTask& task) {
  backoff_.Reset();
  rounds_.Reset();
  while (!task.done()) {
    if (task.round_over()) {
      const absl::Duration delay = rounds_.Next(), wish = task.retry_after();
      if (!sleep_(wish > absl::ZeroDuration() ? wish : delay)) return Cancelled();
      task.NextRound();
      continue;
    }
    auto response = reward_.Evaluate(task.request());
    if (!response.ok()) {
      const absl::Status& status = response.status();
      if (!IsRetryable(status) && !absl::IsCancelled(status)) return status;
      if (!Wait(status, Retry::kFailed, task)) return Cancelled();
      continue;
    }
    const absl::Status taken = task.Take(*std::move(response));
    if (taken.ok()) {
      backoff_.Reset();
    } else if (!absl::IsInvalidArgument(taken)) {
      return taken;
    } else if (!Wait(taken, Retry::kRefusedAnswer, task)) {
      return Cancelled();
    }
  }
  return absl::OkStatus();
}

}  // namespace anabranch
