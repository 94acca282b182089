// Categorical distributions over the legal actions of one state, from unnormalised logits.
#ifndef ANABRANCH_GFLOWNET_POLICY_CATEGORICAL_H_
#define ANABRANCH_GFLOWNET_POLICY_CATEGORICAL_H_

#include <cstdint>
#include <vector>

#include "gflownet/environment/action_mask.h"
#include "gflownet/policy/policy.h"
#include "gflownet/random.h"

namespace anabranch {

// Illegal actions are left out of every sum rather than given a large negative logit: their
// probability is exactly 0, whatever the logits.
//
// `logits` are those of one row, all actions [mask.num_actions], legal or not.

// log Σ_legal exp(logit); −∞ where nothing is legal.
float LogSumExpLegal(const ActionMask& mask, int64_t row, const float* logits);

// Draws an action by the exploration mixture; *log_prob is the target's log-softmax of it.
// kNoAction and 0 where nothing is legal. `scratch` only saves allocations between calls.
int32_t SampleLegal(const ActionMask& mask, int64_t row, const float* logits,
                    const Exploration& exploration, RandomStream& random,
                    std::vector<float>& scratch, float* log_prob);

// out[a] = log-softmax over the legal actions, −∞ for the others; out has mask.num_actions.
void LogSoftmaxLegal(const ActionMask& mask, int64_t row, const float* logits, float* out);

// gradient[a] = scale · ∂ log softmax(taken) / ∂ logit(a) = scale · (1[a = taken] − p(a)); 0 for
// illegal actions. `log_normalizer` is LogSumExpLegal of the row.
void LogProbGradient(const ActionMask& mask, int64_t row, const float* logits, float log_normalizer,
                     int32_t taken, float scale, float* gradient);

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_POLICY_CATEGORICAL_H_
