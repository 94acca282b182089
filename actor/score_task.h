// One batch's way through the oracle: what to ask, and what the answers are worth.
#ifndef ANABRANCH_ACTOR_SCORE_TASK_H_
#define ANABRANCH_ACTOR_SCORE_TASK_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "actor/object_counts.h"
#include "anabranch/v1/reward.pb.h"
#include "gflownet/trajectory/trajectories.h"
#include "runtime/trajectory_codec.h"

namespace anabranch {

struct ScoreTaskOptions {
  uint32_t max_batch_objects = 0;  // In one request; 0 = no limit.
  // Times that an object may be answered RETRYABLE before it counts as FAILED, at least 1.
  int32_t max_object_tries = 100;
  // The oracle's own objectives in its order, where they are not the header's: those are then asked
  // for by name. Empty where they are the same.
  std::vector<std::string> described_objectives = {};
  // Objects answered so leave the task (see deferred) instead of being asked again in a next round.
  bool defer_pending = false;
  bool defer_retryable = false;
  std::string request_prefix = {};  // Of every request_id: keeps those of different askers apart.
};

// An object that the task leaves to somebody else.
struct DeferredObject {
  int32_t position = 0;
  std::string ticket;          // Empty for a RETRYABLE one.
  absl::Duration retry_after;  // The oracle's wish; zero where it has none.
};

// Questions come in rounds: the first asks about every object, in as many requests as the oracle's
// limit makes necessary; the next only about those that were answered RETRYABLE or PENDING and are
// not deferred. Knows neither time nor threads. Header and trajectories outlive it.
class ScoreTask {
 public:
  // `trajectories` holds at least one. `tickets`, [n] or empty: from earlier PENDING answers.
  ScoreTask(const BatchHeader& header, const Trajectories& trajectories,
            const ScoreTaskOptions& options, std::vector<std::string> tickets = {});

  // All objects are answered for good, or deferred.
  bool done() const { return asking_.empty() && waiting_.empty(); }
  // Every question of a round is answered; NextRound begins another, unless done.
  bool round_over() const { return asking_.empty(); }
  // The question to ask; the same, whoever reads it, until its answer is taken. Not after
  // round_over.
  const v1::EvaluateRequest& request() const { return request_; }

  // INVALID_ARGUMENT names what is wrong with an answer that isn't one to request(): another
  // request_id, another number of objects, a value that is missing; nothing of it is used, and the
  // same question may be asked again. FAILED_PRECONDITION, reason FINGERPRINT_CHANGED, for values
  // of another oracle.
  absl::Status Take(v1::EvaluateResponse response);

  // How long the oracle wished to be left alone before the next round; zero leaves it to the
  // caller's backoff.
  absl::Duration retry_after() const { return retry_after_; }
  void NextRound();
  // What isn't answered becomes FAILED.
  void GiveUp(absl::string_view reason);

  // Once done: rows in the order of the trajectories.
  RewardColumns& rewards() { return rewards_; }
  // [n]: 0 for objects that have no answer to be shaped: deferred, or beyond the budget.
  const std::vector<uint8_t>& answered() const { return answered_; }
  const std::vector<DeferredObject>& deferred() const { return deferred_; }
  const ObjectCounts& counts() const { return counts_; }
  // As of the last answer that told; absent where no budget is kept.
  const std::optional<v1::RewardBudget>& budget() const { return budget_; }
  // Objects whose value wasn't a finite number; they are FAILED.
  int64_t non_finite() const { return non_finite_; }
  // Objects that were asked about again, each time counted.
  int64_t asked_again() const { return asked_again_; }

 private:
  absl::Status CheckAnswer(const v1::EvaluateResponse& response) const;
  void Ask();
  // PENDING or RETRYABLE: the object is asked about again, by us or by others, or has failed.
  void PutOff(const v1::EvaluateResponse& response, int32_t row, int32_t position);
  // Answer `row` is that of the object at `position`.
  void Place(const v1::EvaluateResponse& response, const RewardColumns& columns, int32_t row,
             int32_t position);
  void Count(ObjectStatus status);
  void Fail(int32_t position, std::string reason);
  int32_t AskSize() const;

  const BatchHeader& header_;
  const Trajectories& trajectories_;
  const ScoreTaskOptions options_;
  v1::EvaluateRequest request_;
  int64_t asks_ = 0;
  std::vector<int32_t> asking_;   // Positions of this round; request_ is about the first of them.
  std::vector<int32_t> waiting_;  // Positions of the next round.
  std::vector<std::string> tickets_;  // [n] or empty.
  std::vector<int32_t> tries_;        // [n]
  absl::Duration retry_after_;
  RewardColumns rewards_;
  std::vector<uint8_t> answered_;  // [n]
  std::vector<DeferredObject> deferred_;
  ObjectCounts counts_;
  std::optional<v1::RewardBudget> budget_;
  int64_t non_finite_ = 0;
  int64_t asked_again_ = 0;
};

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_SCORE_TASK_H_
