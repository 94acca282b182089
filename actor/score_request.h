// A batch of finished objects as the oracle is asked about them.
#ifndef ANABRANCH_ACTOR_SCORE_REQUEST_H_
#define ANABRANCH_ACTOR_SCORE_REQUEST_H_

#include <cstdint>

#include "anabranch/v1/reward.pb.h"
#include "gflownet/trajectory/trajectories.h"
#include "runtime/trajectory_codec.h"

namespace anabranch {

// Asks for all objectives of the objects of `trajectories`. Source and first trajectory number make
// the request_id, so that a retry of the same batch is recognised and costs nothing.
v1::EvaluateRequest MakeScoreRequest(const BatchHeader& header, const Trajectories& trajectories);

// An object with a value that isn't finite has not been scored: it becomes FAILED, its reason says
// which value. Returns how many. Without this one bad number would refuse its whole batch.
int64_t FailNonFinite(v1::EvaluateResponse& response);

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_SCORE_REQUEST_H_
