// Numbers out of the tensors of the Open Inference Protocol.
#ifndef ANABRANCH_REWARD_ADAPTERS_TENSOR_VALUES_H_
#define ANABRANCH_REWARD_ADAPTERS_TENSOR_VALUES_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/open_inference.pb.h"

namespace anabranch {

// The output `name` of an answer, one element for each of n objects: shape [n] or [n, 1], of BOOL,
// any INT or UINT, FP16 (raw only), FP32 or FP64, in the typed list of its datatype or as raw
// little-endian bytes, whichever the server chose. MalformedAnswer names what is wrong, both counts
// where they differ, and what outputs there are where this one is missing.
absl::StatusOr<std::vector<std::optional<double>>> ReadOutput(
    const inference::ModelInferResponse& answer, const std::string& name, size_t n);

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_ADAPTERS_TENSOR_VALUES_H_
