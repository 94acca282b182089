// What a pipeline is told and what it counts.
#ifndef ANABRANCH_ACTOR_PIPELINE_OPTIONS_H_
#define ANABRANCH_ACTOR_PIPELINE_OPTIONS_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "actor/pending_trajectories.h"
#include "anabranch/v1/replay.pb.h"
#include "runtime/channels.h"
#include "runtime/retry.h"

namespace anabranch {

struct PipelineOptions {
  int64_t max_pending_batches = 2;
  BackoffOptions backoff;  // Between tries of the same question, and of the same insert.
  // See ScoreTaskOptions.
  int32_t max_object_tries = 100;
  // Exploration fades with the trajectories of the whole run, however many actors there are: those
  // that the snapshot in use was trained on, over how often each is trained on.
  double samples_per_insert = 1;
  absl::Duration weights_poll = absl::Milliseconds(20);  // While there is no snapshot yet.
  // How long a stopped pipeline waits for the next acknowledgement once every batch is scored:
  // where nobody samples any more, pacing admits nothing.
  absl::Duration insert_grace = absl::Seconds(3);
  // Keeps the trajectories whose objects are PENDING, so that they hold up nobody; when it is full
  // nothing is rolled out. Outlives the pipeline, which closes it. Null: a batch waits in the
  // window until the oracle has answered for all of it.
  PendingTrajectories* pending = nullptr;
  // See CollectorOptions. Needed with `pending`.
  std::function<absl::StatusOr<std::unique_ptr<InsertStream>>(uint64_t client_incarnation)>
      open_inserts;
  // While the budget is spent: how often the oracle is asked whether there is any again.
  absl::Duration budget_poll = absl::Seconds(3);
  // Called for every batch that replay has acknowledged, before anything else is told; with its
  // numbers, whether it was new or a duplicate. By two threads where `pending` is given. May be
  // empty.
  std::function<void(const v1::InsertBatch& batch)> on_acknowledged;
  // Ends what the reward client waits for, now and later. Called once, from any thread, when the
  // pipeline ends. May be empty; Cancel then waits for the client's own deadline.
  std::function<void()> cancel_reward;

  absl::Status Validate() const;
};

// Since the pipeline was made.
struct PipelineCounters {
  int64_t batches = 0;              // Rolled out.
  int64_t pending = 0;              // Now.
  int64_t acknowledged = 0;         // Trajectories.
  int64_t reward_retries = 0;       // Questions asked once more because a try failed.
  int64_t refused_answers = 0;      // Retries because the answer wasn't one to the question.
  int64_t objects_asked_again = 0;  // RETRYABLE and PENDING, each time counted.
  int64_t insert_retries = 0;
  int64_t refused_snapshots = 0;
  int64_t resolved = 0;  // Objects that were PENDING and are answered.
  bool budget_spent = false;
  absl::Duration oldest_pending;  // How long the oldest PENDING object has been waiting.
};

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_PIPELINE_OPTIONS_H_
