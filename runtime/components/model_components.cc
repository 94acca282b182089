#include "runtime/components/model_components.h"

#include "absl/strings/str_cat.h"
#include "gflownet/objective/trajectory_balance.h"
#include "gflownet/objective/var_grad.h"

namespace anabranch {
namespace {

// The registry.

struct ObjectiveEntry {
  v1::ObjectiveConfig::KindCase kind;
  std::unique_ptr<Objective> (*make)(const v1::ObjectiveConfig& config);
};

template <typename T>
std::unique_ptr<Objective> Make(const v1::ObjectiveConfig&) {
  return std::make_unique<T>();
}

constexpr ObjectiveEntry kObjectives[] = {
    {v1::ObjectiveConfig::kTrajectoryBalance, Make<TrajectoryBalance>},
    {v1::ObjectiveConfig::kVarGrad, Make<VarGrad>},
};

}  // namespace

absl::StatusOr<std::unique_ptr<Objective>> MakeObjective(const v1::ObjectiveConfig& config) {
  for (const ObjectiveEntry& entry : kObjectives) {
    if (entry.kind == config.kind_case()) return entry.make(config);
  }
  return absl::UnimplementedError(absl::StrCat(
      "objective: kind ", static_cast<int>(config.kind_case()), " is not built into this binary"));
}

absl::StatusOr<Model> MakeModelFromConfig(const v1::RunConfig& config,
                                          const EnvironmentSpec& environment,
                                          const Objective& objective, at::Device device) {
  const v1::PolicyConfig& policy = config.policy();
  ModelOptions options;
  options.mlp.hidden_layers = policy.mlp().hidden_layers();
  options.mlp.hidden_width = policy.mlp().hidden_width();
  options.mlp.backward = policy.backward() == v1::BACKWARD_POLICY_UNIFORM
                             ? BackwardPolicy::kUniform
                             : BackwardPolicy::kLearned;
  options.mlp.shared_trunk = policy.shared_trunk();
  options.mlp.leaky_slope = policy.mlp().activation() == v1::ACTIVATION_RELU ? 0.0f : 0.01f;
  options.with_log_z = objective.needs_log_z();
  options.initial_log_z = config.objective().trajectory_balance().initial_log_z();
  options.seed = config.seed();
  return MakeModel(options, environment, device);
}

}  // namespace anabranch
