// Turns sampled rows into a batch.
#ifndef ANABRANCH_REPLAY_BATCH_GATHER_H_
#define ANABRANCH_REPLAY_BATCH_GATHER_H_

#include "anabranch/v1/trajectory.pb.h"
#include "replay/sampled_rows.h"

namespace anabranch {

// The sampled rows in their order, as one batch. All chunks agree on their layout (BatchAgreement
// sees to that). A column whose absence has a meaning (all 0, all FORWARD, 1 each) is present if it
// is in any of the chunks; any other is present if it is in all of them. Dictionaries hold what the
// rows name, each entry once. Rows that are a whole chunk which nobody else holds cost nothing: its
// columns are moved. At least one row.
v1::TrajectoryBatch GatherBatch(SampledRows& sample);

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_BATCH_GATHER_H_
