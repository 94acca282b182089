#include "gflownet/policy/categorical.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace anabranch {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

template <typename Visit>
void ForEachLegal(const ActionMask& mask, int64_t row, Visit visit) {
  if (mask.kind == ActionMask::Kind::kSparse) {
    for (int64_t i = mask.legal_offsets[row]; i < mask.legal_offsets[row + 1]; ++i) {
      visit(mask.legal[i]);
    }
    return;
  }
  const uint8_t* legal =
      mask.kind == ActionMask::Kind::kDense ? mask.dense.data() + row * mask.num_actions : nullptr;
  for (int64_t a = 0; a < mask.num_actions; ++a) {
    if (legal == nullptr || legal[a]) visit(static_cast<int32_t>(a));
  }
}

float MaximumLegal(const ActionMask& mask, int64_t row, const float* logits) {
  float maximum = kMinusInfinity;
  ForEachLegal(mask, row, [&](int32_t a) { maximum = std::max(maximum, logits[a]); });
  return maximum;
}

// The k-th legal action.
int32_t NthLegal(const ActionMask& mask, int64_t row, uint64_t k) {
  int32_t chosen = kNoAction;
  uint64_t seen = 0;
  ForEachLegal(mask, row, [&](int32_t a) {
    if (seen++ == k) chosen = a;
  });
  return chosen;
}

// Inverse distribution function over weights in legal order. A legal action of positive weight even
// when rounding lets the sum fall short of the draw.
int32_t Pick(const ActionMask& mask, int64_t row, const std::vector<float>& weights, float target) {
  int32_t chosen = kNoAction;
  bool done = false;
  float sum = 0;
  size_t i = 0;
  ForEachLegal(mask, row, [&](int32_t a) {
    const float weight = weights[i++];
    if (done) return;
    sum += weight;
    if (weight > 0 || chosen == kNoAction) chosen = a;
    done = sum > target;
  });
  return chosen;
}

}  // namespace

float LogSumExpLegal(const ActionMask& mask, int64_t row, const float* logits) {
  const float maximum = MaximumLegal(mask, row, logits);
  if (maximum == kMinusInfinity) return kMinusInfinity;
  float sum = 0;
  ForEachLegal(mask, row, [&](int32_t a) { sum += std::exp(logits[a] - maximum); });
  return maximum + std::log(sum);
}

int32_t SampleLegal(const ActionMask& mask, int64_t row, const float* logits,
                    const Exploration& exploration, RandomStream& random,
                    std::vector<float>& scratch, float* log_prob) {
  const float maximum = MaximumLegal(mask, row, logits);
  scratch.clear();
  float sum = 0;
  ForEachLegal(mask, row, [&](int32_t a) {
    scratch.push_back(std::exp(logits[a] - maximum));
    sum += scratch.back();
  });
  if (scratch.empty()) {
    *log_prob = 0;
    return kNoAction;
  }
  float drawn_sum = sum;
  if (exploration.temperature != 1.0) {
    const auto inverse = static_cast<float>(1.0 / exploration.temperature);
    drawn_sum = 0;
    for (float& weight : scratch) {
      weight = std::pow(weight, inverse);
      drawn_sum += weight;
    }
  }
  const bool uniform = exploration.epsilon > 0 && random.NextUniform() < exploration.epsilon;
  const int32_t action = uniform ? NthLegal(mask, row, random.NextBelow(scratch.size()))
                                 : Pick(mask, row, scratch, random.NextUniform() * drawn_sum);
  *log_prob = logits[action] - maximum - std::log(sum);
  return action;
}

void LogSoftmaxLegal(const ActionMask& mask, int64_t row, const float* logits, float* out) {
  std::fill_n(out, mask.num_actions, kMinusInfinity);
  const float log_normalizer = LogSumExpLegal(mask, row, logits);
  ForEachLegal(mask, row, [&](int32_t a) { out[a] = logits[a] - log_normalizer; });
}

void LogProbGradient(const ActionMask& mask, int64_t row, const float* logits, float log_normalizer,
                     int32_t taken, float scale, float* gradient) {
  std::fill_n(gradient, mask.num_actions, 0.0f);
  ForEachLegal(mask, row, [&](int32_t a) {
    gradient[a] = scale * ((a == taken ? 1.0f : 0.0f) - std::exp(logits[a] - log_normalizer));
  });
}

}  // namespace anabranch
