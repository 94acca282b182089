// Asks the oracle until it has answered.
#ifndef ANABRANCH_ACTOR_REWARD_ASKER_H_
#define ANABRANCH_ACTOR_REWARD_ASKER_H_

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "actor/score_task.h"
#include "runtime/channels.h"
#include "runtime/log.h"
#include "runtime/retry.h"

namespace anabranch {

// One thread uses it. Client and log outlive it.
class RewardAsker {
 public:
  // Waits so long and returns true, or returns false, early, when it is no use to go on.
  using Sleeper = std::function<bool(absl::Duration)>;
  enum class Retry { kFailed, kRefusedAnswer };
  using OnRetry = std::function<void(Retry)>;

  RewardAsker(RewardClient& reward, const BackoffOptions& backoff, uint64_t seed, Sleeper sleep,
              OnRetry on_retry, Log& log);

  // Until the task is done. A try that fails is made again, the same question under the same
  // request_id, where (code, reason) say so; CANCELLED too, unless the sleeper says that it was
  // us. An answer that isn't one to the question is logged, thrown away and asked for again.
  // Errors: CANCELLED when the sleeper says so; what isn't worth a retry, as the oracle put it.
  absl::Status Ask(ScoreTask& task);

 private:
  // Before a question is asked once more. False as the sleeper.
  bool Wait(const absl::Status& why, Retry kind, const ScoreTask& task);

  RewardClient& reward_;
  Backoff backoff_;  // Between tries of one question.
  Backoff rounds_;   // Between rounds of one batch.
  const Sleeper sleep_;
  const OnRetry on_retry_;
  Log& log_;
};

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_REWARD_ASKER_H_
