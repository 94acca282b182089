// A multi-layer perceptron over multi-hot or dense observations, with its own forward and backward.
#ifndef ANABRANCH_GFLOWNET_POLICY_MLP_NETWORK_H_
#define ANABRANCH_GFLOWNET_POLICY_MLP_NETWORK_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gflownet/environment/observation.h"
#include "gflownet/policy/parameters.h"
#include "gflownet/random.h"

namespace anabranch {

struct MlpShape {
  ObservationSpec input;        // kMultiHot or kDense.
  int64_t condition_width = 0;  // Real numbers appended to the input.
  int64_t hidden_layers = 2;
  int64_t hidden_width = 256;
  int64_t outputs = 0;
  float leaky_slope = 0.01f;
};

// input → [linear → LeakyReLU] × hidden_layers → linear → outputs.
//
// Weights are stored [inputs, outputs], so that y = x · W + b and a one-hot input is one row of W.
// On the CPU, Forward and Backward do without autograd: the first layer gathers and sums rows, bias
// and activation are one pass, and the gradient goes straight into Parameters::gradient(). That
// takes two thirds of the time that the same layers take as autograd operations, see
// docs/performance.md. Reference is those operations, for every device and as the test of the
// other.
class MlpNetwork {
 public:
  // Adds its parameters, named "<prefix>.<layer>.weight" and ".bias".
  MlpNetwork(const MlpShape& shape, const std::string& prefix, Parameters& parameters);

  // Uniform in ±1/√inputs, as is usual for linear layers. After Parameters::Allocate.
  void Initialize(RandomStream& random);

  struct Input {
    const ObservationBatch& observations;
    std::span<const float> conditions;  // [rows, condition_width]
  };
  // Hidden activations of one Forward, which Backward needs: [hidden_layers][rows, hidden_width].
  using Activations = std::vector<at::Tensor>;

  // CPU. `output` is [rows, outputs].
  void Forward(const Input& input, Activations& activations, float* output) const;
  // CPU. Adds the gradient of all parameters for the given ∂loss/∂output.
  void Backward(const Input& input, const Activations& activations, const float* output_gradient);

  // [rows, outputs] by autograd operations on the parameters' device.
  at::Tensor Reference(const Input& input) const;

  const MlpShape& shape() const { return shape_; }

 private:
  struct Layer {
    int64_t weight;
    int64_t bias;
    int64_t inputs;
    int64_t outputs;
  };

  void FirstLayer(const Input& input, float* output) const;
  void FirstLayerGradient(const Input& input, const float* output_gradient);

  MlpShape shape_;
  Parameters& parameters_;
  std::vector<Layer> layers_;
  int64_t condition_weight_ = -1;  // [condition_width, width of the first layer]
};

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_POLICY_MLP_NETWORK_H_
