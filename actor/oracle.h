// What an actor knows of the oracle that scores its objects.
#ifndef ANABRANCH_ACTOR_ORACLE_H_
#define ANABRANCH_ACTOR_ORACLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "actor/actor_options.h"
#include "gflownet/environment/environment.h"
#include "gflownet/reward_shaping/reward_shaping.h"
#include "runtime/channels.h"
#include "runtime/trajectory_codec.h"

namespace anabranch {

struct Oracle {
  // Of every batch that is rolled out for it; weights and first number are still to be filled in.
  BatchHeader header;
  uint32_t max_batch_objects = 0;  // In one request; 0 = no limit.
  // Its own, in its order; empty where they are the header's, which are those of reward shaping.
  std::vector<std::string> described_objectives;
};

// Asks once. FAILED_PRECONDITION when it doesn't accept the environment's objects, or doesn't
// compute an objective that reward shaping counts on; otherwise what the client says.
absl::StatusOr<Oracle> DescribeOracle(const ActorOptions& options, const EnvironmentSpec& spec,
                                      const RewardShaping& shaping, RewardClient& reward);

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_ORACLE_H_
