// Log-probabilities of actions by autograd operations, on any device.
#ifndef ANABRANCH_GFLOWNET_POLICY_TAKEN_LOG_PROB_H_
#define ANABRANCH_GFLOWNET_POLICY_TAKEN_LOG_PROB_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "gflownet/environment/action_mask.h"

namespace anabranch {

// Log-softmax of `logits` [rows, num_actions] over the legal actions of each row, at the action
// taken; 0 where none was (kNoAction). [rows], differentiable.
at::Tensor TakenLogProb(const at::Tensor& logits, const ActionMask& mask,
                        const std::vector<int32_t>& actions);

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_POLICY_TAKEN_LOG_PROB_H_
