// What a pipeline is told and what it counts.
#ifndef ANABRANCH_ACTOR_PIPELINE_OPTIONS_H_
#define ANABRANCH_ACTOR_PIPELINE_OPTIONS_H_

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "anabranch/v1/replay.pb.h"
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
  // Called in the inserting thread for every batch that replay has acknowledged, before anything
  // else is told; with its numbers, whether it was new or a duplicate. May be empty.
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
};

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_PIPELINE_OPTIONS_H_
