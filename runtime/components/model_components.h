// From configuration to what is learned and by which loss: the registry of objectives.
#ifndef ANABRANCH_RUNTIME_COMPONENTS_MODEL_COMPONENTS_H_
#define ANABRANCH_RUNTIME_COMPONENTS_MODEL_COMPONENTS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "anabranch/v1/config.pb.h"
#include "gflownet/environment/environment.h"
#include "gflownet/objective/objective.h"
#include "gflownet/policy/model.h"

namespace anabranch {

// Both take a configuration with its defaults filled in. A new objective is one line in the table
// at the end of the source. UNIMPLEMENTED for one without an entry.
absl::StatusOr<std::unique_ptr<Objective>> MakeObjective(const v1::ObjectiveConfig& config);

// The model of the run, with initial weights that depend on the run's seed alone: actors and
// learner build the same one.
absl::StatusOr<Model> MakeModelFromConfig(const v1::RunConfig& config,
                                          const EnvironmentSpec& environment,
                                          const Objective& objective, at::Device device = at::kCPU);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_COMPONENTS_MODEL_COMPONENTS_H_
