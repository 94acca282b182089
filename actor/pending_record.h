// How pending trajectories stand in their store, and how they become a batch again.
#ifndef ANABRANCH_ACTOR_PENDING_RECORD_H_
#define ANABRANCH_ACTOR_PENDING_RECORD_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "actor/score_task.h"
#include "anabranch/v1/actor_state.pb.h"
#include "anabranch/v1/trajectory.pb.h"
#include "gflownet/trajectory/trajectories.h"
#include "runtime/trajectory_codec.h"

namespace anabranch {

// One for each of `deferred`, whose positions are those of the trajectories.
absl::StatusOr<std::vector<v1::PendingTrajectory>> MakePendingTrajectories(
    const BatchHeader& header, const Trajectories& trajectories,
    std::span<const DeferredObject> deferred, absl::Time now);

// 16 bytes: who made it, and its number, which name a trajectory in the whole run.
std::string PendingKey(const v1::PendingTrajectory& pending);

// Pending trajectories side by side, to be asked about and encoded together.
absl::StatusOr<Trajectories> JoinPending(std::span<const v1::PendingTrajectory* const> pending);

// Where each of the batch's trajectories comes from, which a batch that is joined doesn't know:
// policy, source and number of that at the same place of `pending`. Replaces what is there.
void RestoreProvenance(std::span<const v1::PendingTrajectory* const> pending,
                       v1::TrajectoryBatch& batch);

// 8 bytes, so that keys sort as numbers do.
std::string BigEndian(uint64_t number);
// False unless `bytes` are 8.
bool FromBigEndian(absl::string_view bytes, uint64_t& number);

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_PENDING_RECORD_H_
