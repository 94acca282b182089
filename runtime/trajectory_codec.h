// Between the columns that the mathematics computes with and those that travel.
#ifndef ANABRANCH_RUNTIME_TRAJECTORY_CODEC_H_
#define ANABRANCH_RUNTIME_TRAJECTORY_CODEC_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "anabranch/v1/identity.pb.h"
#include "anabranch/v1/reward.pb.h"
#include "anabranch/v1/trajectory.pb.h"
#include "gflownet/environment/reward_function.h"
#include "gflownet/trajectory/trajectories.h"

namespace anabranch {

// What every trajectory of an encoded batch has in common.
struct BatchHeader {
  std::string run_id;                   // Never empty.
  std::string environment_fingerprint;  // Never empty.
  std::string object_format;            // Never empty where objects are encoded.
  std::vector<std::string> objectives;  // Names, in the order of the reward columns.
  std::string reward_fingerprint;
  std::string reward_shaping_hash;  // Of log_rewards; empty without them.
  v1::PolicyVersion policy;         // That the trajectories were rolled out with.
  v1::Source source;
  uint64_t first_trajectory_number = 0;  // The others count on from it.
};

// What the mathematics and the rewards know, n trajectories.
struct EvaluatedTrajectories {
  Trajectories trajectories;
  RewardColumns rewards;            // [n]; num_objectives 0 before evaluation.
  std::vector<double> log_rewards;  // [n] or empty; nats, under reward_shaping_hash.
};

// A received batch.
struct DecodedBatch {
  EvaluatedTrajectories columns;
  std::vector<std::string> objectives;
  std::string reward_fingerprint;
  std::string reward_shaping_hash;
  std::vector<uint64_t> policy_generations;  // [n] or empty.
  std::vector<uint64_t> policy_versions;     // [n] or empty.
};

// Prompts and conditions become dictionaries in which each stands once; conditions travel as
// features. INVALID_ARGUMENT, FAILED_PRECONDITION: as CheckTrajectoryBatch, to which the result is
// put, says of a column that doesn't fit the others; and for a condition or log-reward that isn't
// finite.
absl::StatusOr<v1::TrajectoryBatch> EncodeTrajectories(const EvaluatedTrajectories& columns,
                                                       const BatchHeader& header);

// The reverse. A condition becomes one row: inverse temperature, preferences, features, as far as
// present. Statuses that RewardColumns doesn't know become kInvalid (INFEASIBLE: no oracle will
// ever score it better) or kFailed (all that is not answered), their names the reason.
// INVALID_ARGUMENT names field and index of what doesn't fit, of a trajectory without actions, of
// factored actions, and of a batch in which only some trajectories have a condition.
absl::StatusOr<DecodedBatch> DecodeTrajectories(const v1::TrajectoryBatch& batch);

// INVALID_ARGUMENT unless an answer is what was asked for: statuses of n objects, none missing, and
// finite values where they count. Columns are taken in the order of `objectives`, which the answer
// must name in any order (it may leave the names out if the order is the same).
absl::StatusOr<RewardColumns> DecodeRewards(const v1::EvaluateResponse& response, int64_t n,
                                            std::span<const std::string> objectives);

// Between the two enumerations of statuses, as DecodeTrajectories has it.
v1::ObjectStatus ToProto(ObjectStatus status);
ObjectStatus FromProto(v1::ObjectStatus status);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_TRAJECTORY_CODEC_H_
