// Batches to store, small enough to look at and unlike enough to tell apart.
#ifndef ANABRANCH_TESTS_REPLAY_TEST_BATCHES_H_
#define ANABRANCH_TESTS_REPLAY_TEST_BATCHES_H_

#include <cstdint>
#include <string>

#include "anabranch/v1/replay.pb.h"
#include "anabranch/v1/trajectory.pb.h"
#include "replay/chunk.h"
#include "replay/replay_options.h"

namespace anabranch {

inline constexpr char kRun[] = "run-1";
inline constexpr char kEnvironment[] = "grid/1.0.0 side=8";

// n trajectories numbered from `first`. Number k has 1 + k % 3 actions, the t-th of which is
// 10 k + t; ends in the object "object k", whose raw value is k and log-reward k / 8; and was
// rolled out with policy (1, k / 10).
v1::TrajectoryBatch MakeBatch(int n, int first = 0);
// The same as a chunk.
ChunkRef MakeChunk(int n, int first = 0);

// The number of trajectory i of a batch made of MakeBatch's trajectories; −1 unless every column of
// it says the same.
int NumberOf(const v1::TrajectoryBatch& batch, int i);

v1::Handshake MakeHandshake(uint64_t client = 7);
v1::InsertBatch MakeInsert(uint64_t sequence, v1::TrajectoryBatch batch);
// One table "fresh", FIFO, used once, not paced.
ReplayServiceOptions MakeServiceOptions();
v1::SampleOpening MakeSampleOpening(uint32_t batch_trajectories);

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_REPLAY_TEST_BATCHES_H_
