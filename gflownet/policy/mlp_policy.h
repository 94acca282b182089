// The policy for grids and short sequences: an MLP with forward and backward heads.
#ifndef ANABRANCH_GFLOWNET_POLICY_MLP_POLICY_H_
#define ANABRANCH_GFLOWNET_POLICY_MLP_POLICY_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gflownet/environment/environment.h"
#include "gflownet/policy/mlp_network.h"
#include "gflownet/policy/parameters.h"
#include "gflownet/policy/policy.h"

namespace anabranch {

enum class BackwardPolicy {
  kUniform,  // Over the parents; nothing to learn.
  kLearned,  // A head of its own.
};

struct MlpPolicyOptions {
  int64_t hidden_layers = 2;
  int64_t hidden_width = 256;
  BackwardPolicy backward = BackwardPolicy::kLearned;
  // One trunk for both heads: one pass over the states gives P_F and P_B.
  bool shared_trunk = true;
  int64_t condition_width = 0;
  float leaky_slope = 0.01f;  // 0 is the plain ReLU.
  // Computes with autograd operations even where the fused CPU path could.
  bool reference = false;

  absl::Status Validate() const;
};

class MlpPolicy final : public Policy {
 public:
  // Adds its parameters to `parameters`, which outlives the policy and is allocated by the caller
  // before the first use. INVALID_ARGUMENT for bad options, or for an environment without multi-hot
  // or dense observations, or with continuous actions.
  static absl::StatusOr<std::unique_ptr<MlpPolicy>> Create(const MlpPolicyOptions& options,
                                                           const EnvironmentSpec& environment,
                                                           Parameters& parameters);

  // Draws initial weights. After Parameters::Allocate.
  void Initialize(RandomStream& random);

  const ObservationSpec& observation() const override { return observation_; }
  void SampleForward(const PolicyInput& input, const Exploration& exploration, RandomStream& random,
                     SampledActions& out) override;
  void SampleBackward(const PolicyInput& input, RandomStream& random, SampledActions& out) override;
  RowLogProbs LogProb(const StateRows& rows) override;
  absl::Status AllLogForward(const PolicyInput& input, std::vector<float>& out) override;
  absl::Status AllLogBackward(const PolicyInput& input, std::vector<float>& out) override;

 private:
  class Evaluation;
  class LogProbFunction;
  // Where the logits of one direction stand: columns of a network's output.
  struct Head {
    MlpNetwork* network = nullptr;  // Null for a uniform backward policy.
    int64_t column = 0;
    int64_t actions = 0;
  };
  struct Logits {
    const float* data;  // Of the first row's first action.
    int64_t stride;
  };

  MlpPolicy(const MlpPolicyOptions& options, const ObservationSpec& observation,
            const EnvironmentSpec& environment, Parameters& parameters);

  bool UseFused() const;
  Logits Infer(const Head& head, const PolicyInput& input);
  void Sample(const Head& head, const PolicyInput& input, const Exploration& exploration,
              RandomStream& random, SampledActions& out);
  absl::Status AllLog(const Head& head, const PolicyInput& input, std::vector<float>& out);
  RowLogProbs FusedLogProb(const StateRows& rows);
  RowLogProbs ReferenceLogProb(const StateRows& rows);

  MlpPolicyOptions options_;
  ObservationSpec observation_;
  Parameters& parameters_;
  std::vector<std::unique_ptr<MlpNetwork>> networks_;
  Head forward_;
  Head backward_;
  // Scratch of Infer.
  MlpNetwork::Activations activations_;
  at::Tensor output_;
  std::vector<float> weights_;  // Scratch of SampleLegal.
};

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_POLICY_MLP_POLICY_H_
