// From a batch's raw values to what replay is handed.
#ifndef ANABRANCH_ACTOR_FINISHED_BATCH_H_
#define ANABRANCH_ACTOR_FINISHED_BATCH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "actor/score_task.h"
#include "anabranch/v1/trajectory.pb.h"
#include "gflownet/reward_shaping/reward_shaping.h"
#include "runtime/trajectory_codec.h"

namespace anabranch {

struct FinishedBatch {
  v1::TrajectoryBatch batch;       // Empty where nothing is left.
  std::vector<int32_t> positions;  // Where each of its trajectories stood in the whole batch.
  int64_t rejected = 0;            // Answered, but left out by reward shaping.
  std::string why;                 // The first of their reasons, where one is given.
};

// Takes the task's rewards, leaves out what has no answer and what reward shaping leaves out, and
// encodes the rest, each trajectory under its own number: the header's first, and its position.
// Consumes `columns` and the task's rewards. Errors as RewardShaping::Shape and EncodeTrajectories.
absl::StatusOr<FinishedBatch> FinishBatch(ScoreTask& task, const BatchHeader& header,
                                          const RewardShaping& shaping,
                                          EvaluatedTrajectories& columns);

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_FINISHED_BATCH_H_
