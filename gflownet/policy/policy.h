// What every policy can do: draw actions, and say how likely given actions are.
#ifndef ANABRANCH_GFLOWNET_POLICY_POLICY_H_
#define ANABRANCH_GFLOWNET_POLICY_POLICY_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "gflownet/environment/action_mask.h"
#include "gflownet/environment/observation.h"
#include "gflownet/random.h"
#include "gflownet/trajectory/state_rows.h"

namespace anabranch {

// What a policy sees of a batch of states. Borrowed.
struct PolicyInput {
  const ObservationBatch& observations;
  const ActionMask& mask;  // Of the direction that is asked for.
  int64_t condition_width = 0;
  std::span<const float> conditions{};  // [rows, condition_width]
};

// How actions are drawn, as against how likely the policy finds them: with probability ε uniformly
// from the legal actions, otherwise from the softmax of logits / temperature.
struct Exploration {
  double epsilon = 0.0;
  double temperature = 1.0;
};

struct SampledActions {
  std::vector<int32_t> ids;     // [rows]
  std::vector<float> values;    // [rows, action_value_width]
  std::vector<float> log_prob;  // [rows] of the target policy: exploration never shows in it.
};

// log P_F and log P_B of what was done, differentiable with respect to the parameters.
struct RowLogProbs {
  at::Tensor log_pf;    // [rows]
  at::Tensor log_pb;    // [rows]; 0 in the first row of a trajectory.
  at::Tensor log_flow;  // [rows] log F(s), or undefined where the policy has no flow head.
};

// Probabilities of illegal actions are exactly 0 (−∞ before the log-softmax). A policy owns scratch
// memory, so one thread uses it at a time; actors and learner have one each, over parameters of
// their own. Nothing here asks for all action log-probabilities at once except AllLog*, which are
// for enumerable spaces.
class Policy {
 public:
  virtual ~Policy() = default;

  // The kind of observation to build for this policy.
  virtual const ObservationSpec& observation() const = 0;

  virtual void SampleForward(const PolicyInput& input, const Exploration& exploration,
                             RandomStream& random, SampledActions& out) = 0;
  // Rows without a legal backward action (sources) get kNoAction and log-probability 0.
  virtual void SampleBackward(const PolicyInput& input, RandomStream& random,
                              SampledActions& out) = 0;

  // `rows` outlives the result's autograd graph.
  virtual RowLogProbs LogProb(const StateRows& rows) = 0;

  // [rows, num_actions], −∞ where illegal; not differentiable. Backward rows without a legal action
  // are all −∞. UNIMPLEMENTED where the actions are too many to list.
  virtual absl::Status AllLogForward(const PolicyInput& input, std::vector<float>& out) = 0;
  virtual absl::Status AllLogBackward(const PolicyInput& input, std::vector<float>& out) = 0;
};

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_POLICY_POLICY_H_
