// Everything that is learned in one run: a policy, and log Z where the objective has it.
#ifndef ANABRANCH_GFLOWNET_POLICY_MODEL_H_
#define ANABRANCH_GFLOWNET_POLICY_MODEL_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "gflownet/environment/environment.h"
#include "gflownet/policy/mlp_policy.h"
#include "gflownet/policy/parameters.h"
#include "gflownet/policy/policy.h"

namespace anabranch {

struct ModelOptions {
  MlpPolicyOptions mlp;
  bool with_log_z = true;
  double initial_log_z = 0.0;
  uint64_t seed = 0;  // Of the initial weights.
};

// Actors and learner build the same model from the same options; snapshots go from one's parameters
// to the others'.
struct Model {
  std::unique_ptr<Parameters> parameters;
  std::unique_ptr<Policy> policy;
  int64_t log_z_segment = -1;  // −1 where the objective has no log Z parameter.

  // [1], an autograd leaf; undefined without log Z.
  at::Tensor LogZ() const;
};

absl::StatusOr<Model> MakeModel(const ModelOptions& options, const EnvironmentSpec& environment,
                                at::Device device = at::kCPU);

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_POLICY_MODEL_H_
