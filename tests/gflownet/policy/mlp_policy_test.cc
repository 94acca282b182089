#include "gflownet/policy/mlp_policy.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <cmath>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "gflownet/environment/hypergrid.h"
#include "gflownet/environment/sequence.h"
#include "gflownet/policy/model.h"
#include "gflownet/rollout/rollout.h"
#include "gflownet/trajectory/state_rows.h"
#include "gtest/gtest.h"

namespace anabranch {
namespace {

std::unique_ptr<Environment> MakeEnvironment(bool grid) {
  if (grid) return *Hypergrid::Create({3, 6});
  return *Sequence::Create({{"A", "C", "G", "T"}, 1, 7, SequenceGrowth::kPrependOrAppend});
}

// (grid or sequence, learned backward head, shared trunk, hidden layers, condition width)
using Setting = std::tuple<bool, bool, bool, int64_t, int64_t>;

class MlpPolicyTest : public testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    const auto [grid, learned, shared, layers, condition_width] = GetParam();
    environment_ = MakeEnvironment(grid);
    options_.mlp.hidden_layers = layers;
    options_.mlp.hidden_width = 40;
    options_.mlp.backward = learned ? BackwardPolicy::kLearned : BackwardPolicy::kUniform;
    options_.mlp.shared_trunk = shared;
    options_.mlp.condition_width = condition_width;
    options_.seed = 5;
    fused_ = *MakeModel(options_, environment_->spec());
    options_.mlp.reference = true;
    reference_ = *MakeModel(options_, environment_->spec());
    RolloutOptions rollout;
    rollout.trajectories = 9;
    rollout.condition_width = condition_width;
    for (int64_t i = 0; i < 9 * condition_width; ++i) {
      rollout.conditions.push_back(0.1f * static_cast<float>(i));
    }
    RandomStream random(1, 2);
    Rollout sampler(*environment_, *fused_.policy);
    ASSERT_TRUE(sampler.Forward(rollout, random, trajectories_).ok());
    rows_ = StateRows(fused_.policy->observation());
    ASSERT_TRUE(BuildStateRows(*environment_, trajectories_, rows_).ok());
  }

  std::unique_ptr<Environment> environment_;
  ModelOptions options_;
  Model fused_;
  Model reference_;
  Trajectories trajectories_;
  StateRows rows_;
};

INSTANTIATE_TEST_SUITE_P(
    Settings, MlpPolicyTest,
    testing::Values(Setting{true, true, true, 2, 0}, Setting{true, true, false, 2, 0},
                    Setting{true, false, true, 1, 0}, Setting{false, true, true, 3, 0},
                    Setting{false, true, true, 2, 3}, Setting{true, true, true, 0, 0}));

TEST_P(MlpPolicyTest, FusedPassEqualsAutogradInValuesAndGradients) {
  const at::Tensor weight_f = at::rand({rows_.rows}), weight_b = at::rand({rows_.rows});
  auto gradient = [&](Model& model) {
    model.parameters->ZeroGradient();
    const RowLogProbs probs = model.policy->LogProb(rows_);
    (probs.log_pf * weight_f + probs.log_pb * weight_b).sum().backward();
    return std::make_pair(probs, model.parameters->gradient());
  };
  const auto [fused, fused_gradient] = gradient(fused_);
  const auto [reference, reference_gradient] = gradient(reference_);
  EXPECT_LT((fused.log_pf - reference.log_pf).abs().max().item<double>(), 1e-5);
  EXPECT_LT((fused.log_pb - reference.log_pb).abs().max().item<double>(), 1e-5);
  const double size = reference_gradient.abs().max().item<double>();
  EXPECT_GT(size, 0.01);
  EXPECT_LT((fused_gradient - reference_gradient).abs().max().item<double>(), 1e-5 * (1 + size));
}

TEST_P(MlpPolicyTest, GradientsAddUp) {
  fused_.parameters->ZeroGradient();
  fused_.policy->LogProb(rows_).log_pf.sum().backward();
  const at::Tensor once = fused_.parameters->gradient().clone();
  fused_.policy->LogProb(rows_).log_pf.sum().backward();
  EXPECT_LT((fused_.parameters->gradient() - 2 * once).abs().max().item<double>(), 1e-3);
}

TEST_P(MlpPolicyTest, EveryWayOfAskingGivesOneProbability) {
  const PolicyInput input{rows_.observations, rows_.forward_mask, rows_.condition_width,
                          rows_.conditions};
  const PolicyInput back{rows_.observations, rows_.backward_mask, rows_.condition_width,
                         rows_.conditions};
  std::vector<float> forward, backward;
  ASSERT_TRUE(fused_.policy->AllLogForward(input, forward).ok());
  ASSERT_TRUE(fused_.policy->AllLogBackward(back, backward).ok());
  at::NoGradGuard no_grad;
  const RowLogProbs probs = fused_.policy->LogProb(rows_);
  const int64_t actions_f = environment_->spec().num_forward_actions;
  const int64_t actions_b = environment_->spec().num_backward_actions;
  for (int64_t r = 0; r < rows_.rows; ++r) {
    double total = 0;
    for (int64_t a = 0; a < actions_f; ++a) {
      const float log_prob = forward[r * actions_f + a];
      total += std::exp(log_prob);
      EXPECT_EQ(std::isinf(log_prob), !rows_.forward_mask.IsLegal(r, static_cast<int32_t>(a)));
    }
    EXPECT_NEAR(total, 1, 1e-5);
    EXPECT_NEAR(forward[r * actions_f + rows_.forward_actions[r]], probs.log_pf[r].item<float>(),
                1e-5);
    const int32_t undo = rows_.backward_actions[r];
    const float log_pb = probs.log_pb[r].item<float>();
    if (undo == kNoAction) {
      EXPECT_EQ(log_pb, 0);
    } else {
      EXPECT_NEAR(backward[r * actions_b + undo], log_pb, 1e-5);
    }
  }
}

TEST_P(MlpPolicyTest, RecordedLogProbsAreTheTargetsWhateverTheExploration) {
  const auto condition_width = std::get<4>(GetParam());
  RolloutOptions options;
  options.trajectories = 4;
  options.exploration = {0.5, 3.0};
  options.record_log_pf = true;
  options.condition_width = condition_width;
  options.conditions.assign(4 * condition_width, 0.3f);
  RandomStream random(8, 8);
  Rollout rollout(*environment_, *fused_.policy);
  Trajectories drawn;
  ASSERT_TRUE(rollout.Forward(options, random, drawn).ok());
  StateRows rows(fused_.policy->observation());
  ASSERT_TRUE(BuildStateRows(*environment_, drawn, rows).ok());
  at::NoGradGuard no_grad;
  const at::Tensor log_pf = fused_.policy->LogProb(rows).log_pf;
  std::vector<double> recomputed(4, 0.0), recorded(4, 0.0);
  for (int64_t r = 0; r < rows.rows; ++r)
    recomputed[rows.trajectory[r]] += log_pf[r].item<double>();
  size_t at = 0;
  for (int i = 0; i < 4; ++i) {
    for (int32_t t = 0; t < drawn.lengths[i]; ++t) recorded[i] += drawn.log_pf[at++];
    EXPECT_NEAR(recorded[i], recomputed[i], 1e-4);
  }
}

TEST(MlpPolicyOptionsTest, OptionsThatMeanNothingAreRefusedByName) {
  auto grid = Hypergrid::Create({2, 4});
  auto refused = [&](auto change) {
    ModelOptions options;
    change(options.mlp);
    return std::string(MakeModel(options, (*grid)->spec()).status().message());
  };
  EXPECT_NE(refused([](auto& o) { o.hidden_layers = -1; }).find("hidden_layers"),
            std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.hidden_width = 0; }).find("hidden_width"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.leaky_slope = 1; }).find("leaky_slope"), std::string::npos);
}

TEST(ModelTest, SameSeedSameWeightsAndSchema) {
  auto grid = Hypergrid::Create({2, 4});
  ModelOptions options;
  options.initial_log_z = 1.5;
  auto one = MakeModel(options, (*grid)->spec()), two = MakeModel(options, (*grid)->spec());
  EXPECT_TRUE(at::equal(one->parameters->values(), two->parameters->values()));
  EXPECT_EQ(one->parameters->Schema(), two->parameters->Schema());
  EXPECT_EQ(one->LogZ().item<double>(), 1.5);
  options.seed = 1;
  auto three = MakeModel(options, (*grid)->spec());
  EXPECT_FALSE(at::equal(one->parameters->values(), three->parameters->values()));
  options.with_log_z = false;
  EXPECT_FALSE(MakeModel(options, (*grid)->spec())->LogZ().defined());
}

}  // namespace
}  // namespace anabranch
