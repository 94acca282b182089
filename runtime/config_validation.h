// Semantic checks of a run configuration: what types can't say.
#ifndef ANABRANCH_RUNTIME_CONFIG_VALIDATION_H_
#define ANABRANCH_RUNTIME_CONFIG_VALIDATION_H_

#include <string>

#include "absl/status/status.h"
#include "anabranch/v1/config.pb.h"
#include "runtime/config_reader.h"

namespace anabranch {

// ValidateRunConfig, with each line beginning with the place where the value was given. A value
// that nothing around it was given for, such as a missing environment, stands at `file`.
absl::Status ValidateRunConfigAt(const v1::RunConfig& config, const ConfigPlaces& places,
                                 const std::string& file);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_CONFIG_VALIDATION_H_
