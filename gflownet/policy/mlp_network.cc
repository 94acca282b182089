#include "gflownet/policy/mlp_network.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <cmath>

#include "absl/strings/str_cat.h"
#include "gflownet/policy/device_copy.h"
#include "gflownet/policy/gemm.h"
#include "gflownet/policy/mlp_kernels.h"

namespace anabranch {
namespace {

at::Tensor FromSpan(std::span<const float> values, int64_t width, at::Device device) {
  const auto rows = static_cast<int64_t>(values.size()) / width;
  return ToDevice(values.data(), {rows, width}, device);
}

}  // namespace

MlpNetwork::MlpNetwork(const MlpShape& shape, const std::string& prefix, Parameters& parameters)
    : shape_(shape), parameters_(parameters) {
  int64_t inputs = shape.input.width;
  for (int64_t i = 0; i <= shape.hidden_layers; ++i) {
    const int64_t outputs = i < shape.hidden_layers ? shape.hidden_width : shape.outputs;
    const int64_t weight =
        parameters.Add(absl::StrCat(prefix, ".", i, ".weight"), {inputs, outputs});
    const int64_t bias = parameters.Add(absl::StrCat(prefix, ".", i, ".bias"), {outputs});
    layers_.push_back({weight, bias, inputs, outputs});
    inputs = outputs;
  }
  if (shape.condition_width > 0) {
    condition_weight_ = parameters.Add(absl::StrCat(prefix, ".condition.weight"),
                                       {shape.condition_width, layers_[0].outputs});
  }
}

void MlpNetwork::Initialize(RandomStream& random) {
  auto fill = [&](int64_t segment, int64_t inputs) {
    const float bound = 1.0f / std::sqrt(static_cast<float>(inputs));
    const int64_t size = parameters_.segments()[segment].size;
    at::Tensor values = at::empty({size}, at::kFloat);
    float* data = values.data_ptr<float>();
    for (int64_t i = 0; i < size; ++i) data[i] = bound * (2 * random.NextUniform() - 1);
    at::Tensor target = parameters_.Leaf(segment).detach();
    target.view({size}).copy_(values);
  };
  for (const Layer& layer : layers_) {
    fill(layer.weight, layer.inputs);
    fill(layer.bias, layer.inputs);
  }
  if (condition_weight_ >= 0) fill(condition_weight_, shape_.condition_width);
}

void MlpNetwork::FirstLayer(const Input& input, float* output) const {
  const Layer& layer = layers_[0];
  const ObservationBatch& observations = input.observations;
  const float* weight = parameters_.Data(layer.weight);
  const float* bias = parameters_.Data(layer.bias);
  if (shape_.input.kind == ObservationKind::kMultiHot) {
    mlp::GatherSum(observations.hot.data(), observations.rows, shape_.input.hot_per_row, weight,
                   bias, layer.outputs, output);
  } else {
    Multiply(observations.dense.data(), weight, observations.rows, layer.inputs, layer.outputs,
             0.0f, output);
    mlp::AddBias(bias, observations.rows, layer.outputs, output);
  }
  if (condition_weight_ >= 0) {
    Multiply(input.conditions.data(), parameters_.Data(condition_weight_), observations.rows,
             shape_.condition_width, layer.outputs, 1.0f, output);
  }
}

void MlpNetwork::FirstLayerGradient(const Input& input, const float* output_gradient) {
  const Layer& layer = layers_[0];
  const ObservationBatch& observations = input.observations;
  float* weight_gradient = parameters_.GradientData(layer.weight);
  if (shape_.input.kind == ObservationKind::kMultiHot) {
    mlp::ScatterAdd(observations.hot.data(), observations.rows, shape_.input.hot_per_row,
                    output_gradient, layer.outputs, weight_gradient);
  } else {
    AddWeightGradient(observations.dense.data(), output_gradient, observations.rows, layer.inputs,
                      layer.outputs, weight_gradient);
  }
  mlp::ColumnSum(output_gradient, observations.rows, layer.outputs,
                 parameters_.GradientData(layer.bias));
  if (condition_weight_ >= 0) {
    AddWeightGradient(input.conditions.data(), output_gradient, observations.rows,
                      shape_.condition_width, layer.outputs,
                      parameters_.GradientData(condition_weight_));
  }
}

void MlpNetwork::Forward(const Input& input, Activations& activations, float* output) const {
  const int64_t rows = input.observations.rows;
  activations.resize(shape_.hidden_layers);
  const float* previous = nullptr;
  for (size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const bool hidden = i + 1 < layers_.size();
    float* y = output;
    if (hidden) {
      at::Tensor& h = activations[i];
      if (!h.defined() || h.size(0) < rows) h = at::empty({rows, layer.outputs}, at::kFloat);
      y = h.data_ptr<float>();
    }
    if (i == 0) {
      FirstLayer(input, y);
      if (hidden) mlp::LeakyRelu(shape_.leaky_slope, rows * layer.outputs, y);
    } else {
      const float* bias = parameters_.Data(layer.bias);
      Multiply(previous, parameters_.Data(layer.weight), rows, layer.inputs, layer.outputs, 0.0f,
               y);
      if (hidden) {
        mlp::AddBiasLeakyRelu(bias, shape_.leaky_slope, rows, layer.outputs, y);
      } else {
        mlp::AddBias(bias, rows, layer.outputs, y);
      }
    }
    previous = y;
  }
}

void MlpNetwork::Backward(const Input& input, const Activations& activations,
                          const float* output_gradient) {
  const int64_t rows = input.observations.rows;
  at::Tensor holder;  // Of the gradient that `dy` points into.
  const float* dy = output_gradient;
  for (auto i = static_cast<int64_t>(layers_.size()) - 1; i > 0; --i) {
    const Layer& layer = layers_[i];
    const float* h = activations[i - 1].data_ptr<float>();
    AddWeightGradient(h, dy, rows, layer.inputs, layer.outputs,
                      parameters_.GradientData(layer.weight));
    mlp::ColumnSum(dy, rows, layer.outputs, parameters_.GradientData(layer.bias));
    at::Tensor dx = at::empty({rows, layer.inputs}, at::kFloat);
    InputGradient(dy, parameters_.Data(layer.weight), rows, layer.inputs, layer.outputs,
                  dx.data_ptr<float>());
    mlp::LeakyReluGradient(h, shape_.leaky_slope, rows * layer.inputs, dx.data_ptr<float>());
    holder = std::move(dx);
    dy = holder.data_ptr<float>();
  }
  FirstLayerGradient(input, dy);
}

at::Tensor MlpNetwork::Reference(const Input& input) const {
  const at::Device device = parameters_.values().device();
  const ObservationBatch& observations = input.observations;
  const at::Tensor& weight = parameters_.Leaf(layers_[0].weight);
  at::Tensor y;
  if (shape_.input.kind == ObservationKind::kMultiHot) {
    const at::Tensor hot =
        ToDevice(observations.hot.data(), {static_cast<int64_t>(observations.hot.size())}, device);
    y = weight.index_select(0, hot)
            .view({observations.rows, shape_.input.hot_per_row, layers_[0].outputs})
            .sum(1);
  } else {
    y = at::mm(FromSpan(observations.dense, layers_[0].inputs, device), weight);
  }
  y = y + parameters_.Leaf(layers_[0].bias);
  if (condition_weight_ >= 0) {
    y = y + at::mm(FromSpan(input.conditions, shape_.condition_width, device),
                   parameters_.Leaf(condition_weight_));
  }
  for (size_t i = 1; i < layers_.size(); ++i) {
    y = at::addmm(parameters_.Leaf(layers_[i].bias), at::leaky_relu(y, shape_.leaky_slope),
                  parameters_.Leaf(layers_[i].weight));
  }
  return y;
}

}  // namespace anabranch
