#include "gflownet/policy/mlp_policy.h"

#include <ATen/Functions.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gflownet/policy/categorical.h"
#include "gflownet/policy/device_copy.h"
#include "gflownet/policy/taken_log_prob.h"

namespace anabranch {
namespace {

MlpNetwork::Input NetworkInput(const PolicyInput& input) {
  return {input.observations, input.conditions};
}

// log P of the given actions by uniform choice among the legal ones; 0 where there is no action.
// On the CPU, ready to go to `device`.
at::Tensor UniformLogProb(const ActionMask& mask, const std::vector<int32_t>& actions,
                          at::Device device) {
  at::Tensor result = StagingTensor({mask.rows}, at::kFloat, device);
  float* out = result.data_ptr<float>();
  for (int64_t r = 0; r < mask.rows; ++r) {
    out[r] = actions[r] == kNoAction ? 0.0f : -std::log(static_cast<float>(mask.CountLegal(r)));
  }
  return result;
}

}  // namespace

absl::Status MlpPolicyOptions::Validate() const {
  auto refuse = [](absl::string_view field, auto value, absl::string_view remedy) {
    return absl::InvalidArgumentError(
        absl::StrCat("policy.mlp.", field, " is ", value, "; ", remedy));
  };
  if (hidden_layers < 0) return refuse("hidden_layers", hidden_layers, "give 0 or more");
  if (hidden_width < 1) return refuse("hidden_width", hidden_width, "give at least 1");
  if (condition_width < 0) return refuse("condition_width", condition_width, "give 0 or more");
  if (!(leaky_slope >= 0 && leaky_slope < 1)) {
    return refuse("leaky_slope", leaky_slope, "give a number in [0, 1)");
  }
  return absl::OkStatus();
}

// One fused evaluation of both heads, kept until its gradient is asked for.
class MlpPolicy::Evaluation final : public torch::CustomClassHolder {
 public:
  Evaluation(const MlpPolicy& policy, const StateRows& rows)
      : rows_(rows),
        forward_{policy.forward_, rows.forward_mask, rows.forward_actions, {}},
        backward_{policy.backward_, rows.backward_mask, rows.backward_actions, {}} {
    for (auto& network : policy.networks_) {
      Pass pass{network.get(), {}, at::empty({rows.rows, network->shape().outputs}, at::kFloat)};
      network->Forward({rows.observations, rows.conditions}, pass.activations,
                       pass.output.data_ptr<float>());
      passes_.push_back(std::move(pass));
    }
  }

  torch::autograd::variable_list LogProbs() { return {LogProb(forward_), LogProb(backward_)}; }

  void AddGradients(const at::Tensor& log_pf_gradient, const at::Tensor& log_pb_gradient) {
    for (Pass& pass : passes_) {
      at::Tensor gradient = at::zeros_like(pass.output);
      AddHead(pass, forward_, log_pf_gradient, gradient);
      AddHead(pass, backward_, log_pb_gradient, gradient);
      pass.network->Backward({rows_.observations, rows_.conditions}, pass.activations,
                             gradient.data_ptr<float>());
    }
  }

 private:
  struct Pass {  // Through one network.
    MlpNetwork* network;
    MlpNetwork::Activations activations;
    at::Tensor output;  // [rows, outputs]
  };
  struct Direction {
    Head head;
    const ActionMask& mask;
    const std::vector<int32_t>& actions;
    std::vector<float> normalizers;  // [rows] LogSumExpLegal
  };

  at::Tensor LogProb(Direction& direction) {
    if (direction.head.network == nullptr) {
      return UniformLogProb(direction.mask, direction.actions, at::kCPU);
    }
    const Pass& pass = direction.head.network == passes_[0].network ? passes_[0] : passes_[1];
    at::Tensor result = at::empty({rows_.rows}, at::kFloat);
    float* out = result.data_ptr<float>();
    direction.normalizers.resize(rows_.rows);
    const float* logits = pass.output.data_ptr<float>() + direction.head.column;
    for (int64_t r = 0; r < rows_.rows; ++r, logits += pass.output.size(1)) {
      const int32_t action = direction.actions[r];
      direction.normalizers[r] = LogSumExpLegal(direction.mask, r, logits);
      out[r] = action == kNoAction ? 0.0f : logits[action] - direction.normalizers[r];
    }
    return result;
  }

  void AddHead(const Pass& pass, const Direction& direction, const at::Tensor& scales,
               at::Tensor& gradient) const {
    if (direction.head.network != pass.network || !scales.defined()) return;
    const at::Tensor contiguous = scales.contiguous();
    const float* scale = contiguous.data_ptr<float>();
    const int64_t stride = pass.output.size(1);
    const float* logits = pass.output.data_ptr<float>() + direction.head.column;
    float* out = gradient.data_ptr<float>() + direction.head.column;
    for (int64_t r = 0; r < rows_.rows; ++r) {
      if (direction.actions[r] == kNoAction) continue;
      LogProbGradient(direction.mask, r, logits + r * stride, direction.normalizers[r],
                      direction.actions[r], scale[r], out + r * stride);
    }
  }

  const StateRows& rows_;
  Direction forward_;
  Direction backward_;
  std::vector<Pass> passes_;
};

// Ties an Evaluation into autograd. The gradient goes straight into Parameters::gradient(), so what
// is passed on is undefined; the anchor, any parameter, is there to make the outputs
// differentiable.
class MlpPolicy::LogProbFunction final : public torch::autograd::Function<LogProbFunction> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context,
                                                const at::Tensor& /*anchor*/,
                                                const c10::intrusive_ptr<Evaluation>& evaluation) {
    context->saved_data["evaluation"] = c10::IValue::make_capsule(evaluation);
    return evaluation->LogProbs();
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    auto capsule = context->saved_data["evaluation"].toCapsule();
    static_cast<Evaluation*>(capsule.get())->AddGradients(gradients[0], gradients[1]);
    return {at::Tensor(), at::Tensor()};
  }
};

MlpPolicy::MlpPolicy(const MlpPolicyOptions& options, const ObservationSpec& observation,
                     const EnvironmentSpec& environment, Parameters& parameters)
    : options_(options), observation_(observation), parameters_(parameters) {
  const bool learned = options.backward == BackwardPolicy::kLearned;
  auto add = [&](const std::string& name, int64_t outputs) {
    networks_.push_back(std::make_unique<MlpNetwork>(
        MlpShape{observation, options.condition_width, options.hidden_layers, options.hidden_width,
                 outputs, options.leaky_slope},
        name, parameters));
    return networks_.back().get();
  };
  const int64_t forward = environment.num_forward_actions;
  const int64_t backward = environment.num_backward_actions;
  const bool shared = learned && options.shared_trunk;
  MlpNetwork* first = add(shared ? "policy" : "forward", shared ? forward + backward : forward);
  forward_ = {first, 0, forward};
  backward_ = {nullptr, 0, backward};
  if (shared) {
    backward_ = {first, forward, backward};
  } else if (learned) {
    backward_ = {add("backward", backward), 0, backward};
  }
}

absl::StatusOr<std::unique_ptr<MlpPolicy>> MlpPolicy::Create(const MlpPolicyOptions& options,
                                                             const EnvironmentSpec& environment,
                                                             Parameters& parameters) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  if (environment.action_value_width > 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("policy mlp has discrete actions only, and environment ",
                     environment.fingerprint, " has continuous ones"));
  }
  for (const ObservationSpec& observation : environment.observations) {
    if (observation.kind == ObservationKind::kMultiHot ||
        observation.kind == ObservationKind::kDense) {
      return std::unique_ptr<MlpPolicy>(
          new MlpPolicy(options, observation, environment, parameters));
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("policy mlp needs observations of a fixed width, and environment ",
                   environment.fingerprint, " has none"));
}

void MlpPolicy::Initialize(RandomStream& random) {
  for (auto& network : networks_) network->Initialize(random);
}

bool MlpPolicy::UseFused() const { return !options_.reference && parameters_.values().is_cpu(); }

MlpPolicy::Logits MlpPolicy::Infer(const Head& head, const PolicyInput& input) {
  const int64_t rows = input.observations.rows;
  const int64_t outputs = head.network->shape().outputs;
  if (UseFused()) {
    if (!output_.defined() || output_.numel() < rows * outputs) {
      output_ = at::empty({rows * outputs}, at::kFloat);
    }
    head.network->Forward(NetworkInput(input), activations_, output_.data_ptr<float>());
  } else {
    at::NoGradGuard no_grad;
    output_ = head.network->Reference(NetworkInput(input)).to(at::kCPU).contiguous().view({-1});
  }
  return {output_.data_ptr<float>() + head.column, outputs};
}

void MlpPolicy::Sample(const Head& head, const PolicyInput& input, const Exploration& exploration,
                       RandomStream& random, SampledActions& out) {
  const int64_t rows = input.observations.rows;
  out.ids.resize(rows);
  out.log_prob.resize(rows);
  out.values.clear();
  std::vector<float> uniform_logits;
  Logits logits{};
  if (head.network != nullptr) {
    logits = Infer(head, input);
  } else {
    uniform_logits.assign(head.actions, 0.0f);
    logits = {uniform_logits.data(), 0};
  }
  for (int64_t r = 0; r < rows; ++r) {
    out.ids[r] = SampleLegal(input.mask, r, logits.data + r * logits.stride, exploration, random,
                             weights_, &out.log_prob[r]);
  }
}

void MlpPolicy::SampleForward(const PolicyInput& input, const Exploration& exploration,
                              RandomStream& random, SampledActions& out) {
  Sample(forward_, input, exploration, random, out);
}

void MlpPolicy::SampleBackward(const PolicyInput& input, RandomStream& random,
                               SampledActions& out) {
  Sample(backward_, input, Exploration{}, random, out);
}

absl::Status MlpPolicy::AllLog(const Head& head, const PolicyInput& input,
                               std::vector<float>& out) {
  const int64_t rows = input.observations.rows;
  out.resize(rows * head.actions);
  std::vector<float> uniform_logits(head.actions, 0.0f);
  Logits logits{uniform_logits.data(), 0};
  if (head.network != nullptr) logits = Infer(head, input);
  for (int64_t r = 0; r < rows; ++r) {
    LogSoftmaxLegal(input.mask, r, logits.data + r * logits.stride, out.data() + r * head.actions);
  }
  return absl::OkStatus();
}

absl::Status MlpPolicy::AllLogForward(const PolicyInput& input, std::vector<float>& out) {
  return AllLog(forward_, input, out);
}

absl::Status MlpPolicy::AllLogBackward(const PolicyInput& input, std::vector<float>& out) {
  return AllLog(backward_, input, out);
}

RowLogProbs MlpPolicy::LogProb(const StateRows& rows) {
  return UseFused() ? FusedLogProb(rows) : ReferenceLogProb(rows);
}

RowLogProbs MlpPolicy::FusedLogProb(const StateRows& rows) {
  const auto result =
      LogProbFunction::apply(parameters_.Leaf(0), c10::make_intrusive<Evaluation>(*this, rows));
  return {result[0], result[1], {}};
}

RowLogProbs MlpPolicy::ReferenceLogProb(const StateRows& rows) {
  std::vector<at::Tensor> outputs;
  for (auto& network : networks_) {
    outputs.push_back(network->Reference({rows.observations, rows.conditions}));
  }
  auto logits = [&](const Head& head) {
    const at::Tensor& output = head.network == networks_[0].get() ? outputs[0] : outputs[1];
    return output.narrow(1, head.column, head.actions);
  };
  RowLogProbs result;
  result.log_pf = TakenLogProb(logits(forward_), rows.forward_mask, rows.forward_actions);
  result.log_pb = backward_.network == nullptr
                      ? SendToDevice(UniformLogProb(rows.backward_mask, rows.backward_actions,
                                                    result.log_pf.device()),
                                     result.log_pf.device())
                      : TakenLogProb(logits(backward_), rows.backward_mask, rows.backward_actions);
  return result;
}

}  // namespace anabranch
