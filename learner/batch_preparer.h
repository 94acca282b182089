// From a sampled batch to what a training step computes on.
#ifndef ANABRANCH_LEARNER_BATCH_PREPARER_H_
#define ANABRANCH_LEARNER_BATCH_PREPARER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "anabranch/v1/replay.pb.h"
#include "gflownet/environment/environment.h"
#include "gflownet/reward_shaping/reward_shaping.h"
#include "gflownet/trajectory/state_rows.h"
#include "learner/mode_counter.h"
#include "runtime/components/run_identity.h"
#include "runtime/trajectory_codec.h"

namespace anabranch {

// A sampled batch, n of whose trajectories can be trained on.
struct PreparedBatch {
  explicit PreparedBatch(const ObservationSpec& observation) : rows(observation) {}
  int64_t size() const { return static_cast<int64_t>(kept.size()); }

  v1::SampledBatch sampled;        // As it came.
  std::vector<int32_t> kept;       // [n] which of the sampled trajectories, ascending.
  StateRows rows;                  // Of the n; of no meaning where n is 0.
  std::vector<float> log_rewards;  // [n] from raw values, never from the cached column.
  int64_t left_out = 0;            // Trajectories that reward shaping leaves out.
  int64_t illegal = 0;             // Trajectories that this environment can't make.
  std::string problem;             // What is wrong with the first of those: field, index, value.
  double decode_seconds = 0;
  double build_seconds = 0;
};

// Decodes, shapes and rebuilds. Thread-safe. What it is given outlives it.
class BatchPreparer {
 public:
  // `modes` may be null; it sees all legal objects.
  BatchPreparer(RunIdentity identity, const Environment& environment, const RewardShaping& shaping,
                ModeCounter* modes)
      : identity_(std::move(identity)),
        environment_(environment),
        shaping_(shaping),
        modes_(modes) {}

  // Replaces `out`, whose memory is used again. FAILED_PRECONDITION for a batch of another run or
  // environment, naming both; INVALID_ARGUMENT as RewardShaping. A trajectory that is illegal is no
  // error: it is counted, and the others stay.
  absl::Status Prepare(v1::SampledBatch sampled, PreparedBatch& out) const;

 private:
  absl::Status CheckIdentity(const v1::TrajectoryBatch& batch) const;
  absl::Status Shape(EvaluatedTrajectories& columns, PreparedBatch& out) const;
  // Rebuilds the states of `columns`, from which those that are illegal are taken out.
  void Build(EvaluatedTrajectories& columns, PreparedBatch& out) const;
  void LeaveOutIllegal(EvaluatedTrajectories& columns, PreparedBatch& out) const;

  const RunIdentity identity_;
  const Environment& environment_;
  const RewardShaping& shaping_;
  ModeCounter* const modes_;
};

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_BATCH_PREPARER_H_
