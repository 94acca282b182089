#include "gflownet/policy/taken_log_prob.h"

#include <ATen/Functions.h>

#include <limits>

#include "gflownet/policy/device_copy.h"

namespace anabranch {

at::Tensor TakenLogProb(const at::Tensor& logits, const ActionMask& mask,
                        const std::vector<int32_t>& actions) {
  const at::Device device = logits.device();
  const at::Tensor illegal = StagingTensor({mask.rows, mask.num_actions}, at::kBool, device);
  bool* out = illegal.data_ptr<bool>();
  for (int64_t r = 0; r < mask.rows; ++r) {
    for (int32_t a = 0; a < mask.num_actions; ++a) {
      // A row without an action counts as all legal, so that no row is empty; its value is dropped.
      *out++ = actions[r] != kNoAction && !mask.IsLegal(r, a);
    }
  }
  const at::Tensor taken = ToDevice(actions.data(), {mask.rows}, device).to(at::kLong).unsqueeze(1);
  const at::Tensor log_probs =
      logits.masked_fill(SendToDevice(illegal, device), -std::numeric_limits<float>::infinity())
          .log_softmax(1);
  const at::Tensor gathered = log_probs.gather(1, taken.clamp_min(0));
  return at::where(taken.ge(0), gathered, at::zeros_like(gathered)).squeeze(1);
}

}  // namespace anabranch
