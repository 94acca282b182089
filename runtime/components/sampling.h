// What a learner asks replay for. Links no LibTorch.
#ifndef ANABRANCH_RUNTIME_COMPONENTS_SAMPLING_H_
#define ANABRANCH_RUNTIME_COMPONENTS_SAMPLING_H_

#include <vector>

#include "anabranch/v1/config.pb.h"
#include "anabranch/v1/replay.pb.h"

namespace anabranch {

// What the learner's batches are mixed from: replay.sampling or, without it, the only table.
std::vector<v1::TableShare> MixtureFromConfig(const v1::ReplayConfig& config);

// The opening of the learner's sample stream, in a configuration whose defaults are filled in.
v1::SampleOpening SampleOpeningFromConfig(const v1::RunConfig& config,
                                          const v1::Handshake& handshake);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_COMPONENTS_SAMPLING_H_
