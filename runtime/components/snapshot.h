// Parameters as a file that a user's Python reads, and back.
#ifndef ANABRANCH_RUNTIME_COMPONENTS_SNAPSHOT_H_
#define ANABRANCH_RUNTIME_COMPONENTS_SNAPSHOT_H_

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gflownet/policy/parameters.h"

namespace anabranch {

// safetensors of a flat buffer that is laid out as `parameters` (its values, or a moment of an
// optimizer over them): one F32 tensor for each segment, under its name with `prefix` before it.
// Equal numbers give equal bytes.
absl::StatusOr<std::string> SerializeSegments(
    const Parameters& parameters, const std::map<std::string, at::Tensor>& flat_buffers_by_prefix,
    const std::map<std::string, std::string>& metadata);

// The reverse, into buffers that exist. Either all are filled or none is touched. DATA_LOSS for
// bytes that are no such file; FAILED_PRECONDITION names the first segment that is missing, has
// another shape or type, or that `parameters` doesn't have.
absl::Status DeserializeSegments(absl::string_view bytes, const Parameters& parameters,
                                 const std::map<std::string, at::Tensor>& flat_buffers_by_prefix,
                                 std::map<std::string, std::string>* metadata = nullptr);

// The parameters' values alone, names without prefix.
absl::StatusOr<std::string> SerializeParameters(const Parameters& parameters,
                                                const std::map<std::string, std::string>& metadata);
absl::Status DeserializeParameters(absl::string_view bytes, const Parameters& parameters,
                                   std::map<std::string, std::string>* metadata = nullptr);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_COMPONENTS_SNAPSHOT_H_
