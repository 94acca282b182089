#include "gflownet/policy/categorical.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gtest/gtest.h"

namespace anabranch {
namespace {

// The same legal sets, {1, 3} of 4 actions, {} and {0, 1, 2, 3}, dense and sparse.
ActionMask Dense() {
  ActionMask mask(4);
  mask.rows = 3;
  mask.dense = {0, 1, 0, 1, 0, 0, 0, 0, 1, 1, 1, 1};
  return mask;
}
ActionMask Sparse() {
  ActionMask mask(4, ActionMask::Kind::kSparse);
  mask.rows = 3;
  mask.legal = {1, 3, 0, 1, 2, 3};
  mask.legal_offsets = {0, 2, 2, 6};
  return mask;
}

class CategoricalTest : public testing::TestWithParam<bool> {
 protected:
  ActionMask mask_ = GetParam() ? Sparse() : Dense();
  std::vector<float> logits_ = {50.0f, 0.0f, 80.0f, std::log(3.0f)};
};

INSTANTIATE_TEST_SUITE_P(Masks, CategoricalTest, testing::Bool());

TEST_P(CategoricalTest, IllegalActionsHaveNoProbabilityHoweverLargeTheirLogits) {
  std::vector<float> out(4);
  LogSoftmaxLegal(mask_, 0, logits_.data(), out.data());
  EXPECT_EQ(out[0], -std::numeric_limits<float>::infinity());
  EXPECT_EQ(out[2], -std::numeric_limits<float>::infinity());
  EXPECT_NEAR(out[1], std::log(0.25), 1e-6);
  EXPECT_NEAR(out[3], std::log(0.75), 1e-6);
  EXPECT_NEAR(LogSumExpLegal(mask_, 0, logits_.data()), std::log(4.0), 1e-6);
}

TEST_P(CategoricalTest, WithoutALegalActionThereIsNoneToDraw) {
  RandomStream random(1, 1);
  std::vector<float> scratch, out(4);
  float log_prob = 7;
  EXPECT_EQ(SampleLegal(mask_, 1, logits_.data(), {}, random, scratch, &log_prob), kNoAction);
  EXPECT_EQ(log_prob, 0);
  EXPECT_EQ(random.position(), 0u);
  LogSoftmaxLegal(mask_, 1, logits_.data(), out.data());
  for (const float x : out) EXPECT_EQ(x, -std::numeric_limits<float>::infinity());
}

struct Frequencies {
  double of_action_3;
  float log_prob_of_3;
};

Frequencies Draw(const ActionMask& mask, const std::vector<float>& logits,
                 const Exploration& exploration) {
  constexpr int kDraws = 200000;
  RandomStream random(3, 9);
  std::vector<float> scratch;
  Frequencies result{0, 0};
  for (int i = 0; i < kDraws; ++i) {
    float log_prob = 0;
    const int32_t a = SampleLegal(mask, 0, logits.data(), exploration, random, scratch, &log_prob);
    EXPECT_TRUE(a == 1 || a == 3);
    if (a != 3) continue;
    result.of_action_3 += 1.0 / kDraws;
    result.log_prob_of_3 = log_prob;
  }
  return result;
}

// Six standard errors of a frequency at 200,000 draws are below 0.007.
TEST_P(CategoricalTest, DrawsByTheSoftmax) {
  const Frequencies drawn = Draw(mask_, logits_, {});
  EXPECT_NEAR(drawn.of_action_3, 0.75, 0.006);
  EXPECT_NEAR(drawn.log_prob_of_3, std::log(0.75), 1e-6);
}

TEST_P(CategoricalTest, ExplorationChangesWhatIsDrawnAndNeverTheLogProb) {
  const Frequencies mixed = Draw(mask_, logits_, {0.4, 1.0});
  EXPECT_NEAR(mixed.of_action_3, 0.6 * 0.75 + 0.4 * 0.5, 0.007);
  EXPECT_NEAR(mixed.log_prob_of_3, std::log(0.75), 1e-6);
  const Frequencies hot = Draw(mask_, logits_, {0.0, 2.0});
  EXPECT_NEAR(hot.of_action_3, std::sqrt(3.0) / (1 + std::sqrt(3.0)), 0.007);
  EXPECT_NEAR(hot.log_prob_of_3, std::log(0.75), 1e-6);
}

TEST_P(CategoricalTest, GradientIsThatOfTheLogSoftmax) {
  std::vector<float> gradient(4, 9.0f);
  const float normalizer = LogSumExpLegal(mask_, 0, logits_.data());
  LogProbGradient(mask_, 0, logits_.data(), normalizer, 3, 2.0f, gradient.data());
  EXPECT_EQ(gradient[0], 0);
  EXPECT_EQ(gradient[2], 0);
  EXPECT_NEAR(gradient[1], 2 * -0.25, 1e-6);
  EXPECT_NEAR(gradient[3], 2 * (1 - 0.75), 1e-6);
}

}  // namespace
}  // namespace anabranch
