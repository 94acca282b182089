#include "gflownet/policy/model.h"

#include <utility>

namespace anabranch {

at::Tensor Model::LogZ() const {
  return log_z_segment < 0 ? at::Tensor() : parameters->Leaf(log_z_segment);
}

absl::StatusOr<Model> MakeModel(const ModelOptions& options, const EnvironmentSpec& environment,
                                at::Device device) {
  Model model;
  model.parameters = std::make_unique<Parameters>();
  auto policy = MlpPolicy::Create(options.mlp, environment, *model.parameters);
  if (!policy.ok()) return policy.status();
  if (options.with_log_z) {
    model.log_z_segment = model.parameters->Add("log_z", {1}, ParameterGroup::kLogZ);
  }
  model.parameters->Allocate(device);
  constexpr uint64_t kInitialWeights = 0x696e6974;  // A stream of its own: "init".
  RandomStream random(options.seed, kInitialWeights);
  (*policy)->Initialize(random);
  if (model.log_z_segment >= 0) {
    model.parameters->Leaf(model.log_z_segment).detach().fill_(options.initial_log_z);
  }
  model.policy = *std::move(policy);
  return model;
}

}  // namespace anabranch
