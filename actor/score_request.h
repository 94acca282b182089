// A batch of finished objects as the oracle is asked about them.
#ifndef ANABRANCH_ACTOR_SCORE_REQUEST_H_
#define ANABRANCH_ACTOR_SCORE_REQUEST_H_

#include <cstdint>
#include <span>

#include "anabranch/v1/reward.pb.h"
#include "gflownet/trajectory/trajectories.h"
#include "runtime/trajectory_codec.h"

namespace anabranch {

// Asks about the objects at `positions` of `trajectories`. Source, first trajectory
// number and `ask`, the number of the question about this batch, make the request_id: other objects
// are another question, and a retry of the same one is recognised and costs nothing.
v1::EvaluateRequest MakeScoreRequest(const BatchHeader& header, const Trajectories& trajectories,
                                     std::span<const int32_t> positions, int64_t ask);

// An object with a value that isn't finite has not been scored: it becomes FAILED, its reason says
// which value. Returns how many. Without this one bad number would refuse its whole batch.
int64_t FailNonFinite(v1::EvaluateResponse& response);

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_SCORE_REQUEST_H_
