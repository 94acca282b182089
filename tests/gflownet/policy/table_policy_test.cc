#include "gflownet/policy/table_policy.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "gflownet/environment/hypergrid.h"
#include "gflownet/rollout/rollout.h"

namespace anabranch {
namespace {

using ::testing::HasSubstr;

// A 3 × 3 grid and a table of random logits over it.
class TablePolicyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    environment_ = Hypergrid::Create({2, 3}).value();
    policy_ = TablePolicy::Create(*environment_, parameters_).value();
    parameters_.Allocate();
  }

  void Randomize() {
    RandomStream random(3, 0);
    for (const int64_t segment : {policy_->forward_segment(), policy_->backward_segment()}) {
      const int64_t size = parameters_.segments()[segment].size;
      for (int64_t i = 0; i < size; ++i) {
        parameters_.Data(segment)[i] = static_cast<float>(random.NextNormal());
      }
    }
  }

  // Rows of `n` trajectories drawn with the policy.
  StateRows Rows(int64_t n) {
    Rollout rollout(*environment_, *policy_);
    RandomStream random(4, 0);
    RolloutOptions options;
    options.trajectories = n;
    Trajectories trajectories;
    EXPECT_TRUE(rollout.Forward(options, random, trajectories).ok());
    StateRows rows(policy_->observation());
    EXPECT_TRUE(BuildStateRows(*environment_, trajectories, rows).ok());
    return rows;
  }

  std::unique_ptr<Hypergrid> environment_;
  Parameters parameters_;
  std::unique_ptr<TablePolicy> policy_;
};

TEST_F(TablePolicyTest, BeginsUniformOverLegalActions) {
  const StateRows rows = Rows(20);
  std::vector<float> forward, backward;
  ASSERT_TRUE(policy_->AllLogForward({rows.observations, rows.forward_mask}, forward).ok());
  ASSERT_TRUE(policy_->AllLogBackward({rows.observations, rows.backward_mask}, backward).ok());
  for (int64_t r = 0; r < rows.rows; ++r) {
    for (int32_t a = 0; a < 3; ++a) {
      const float p = std::exp(forward[r * 3 + a]);
      const float legal = rows.forward_mask.IsLegal(r, a) ? 1.0f : 0.0f;
      EXPECT_NEAR(p, legal / rows.forward_mask.CountLegal(r), 1e-6);
    }
    for (int32_t a = 0; a < 2; ++a) {
      const bool legal = rows.backward_mask.IsLegal(r, a);
      EXPECT_NEAR(std::exp(backward[r * 2 + a]),
                  legal ? 1.0f / rows.backward_mask.CountLegal(r) : 0.0f, 1e-6);
    }
  }
}

TEST_F(TablePolicyTest, LogProbIsTheEntryOfTheActionTaken) {
  Randomize();
  const StateRows rows = Rows(50);
  std::vector<float> forward, backward;
  ASSERT_TRUE(policy_->AllLogForward({rows.observations, rows.forward_mask}, forward).ok());
  ASSERT_TRUE(policy_->AllLogBackward({rows.observations, rows.backward_mask}, backward).ok());
  const RowLogProbs log_probs = policy_->LogProb(rows);
  for (int64_t r = 0; r < rows.rows; ++r) {
    EXPECT_NEAR(log_probs.log_pf[r].item<float>(), forward[r * 3 + rows.forward_actions[r]], 1e-6);
    const int32_t back = rows.backward_actions[r];
    EXPECT_NEAR(log_probs.log_pb[r].item<float>(),
                back == kNoAction ? 0.0f : backward[r * 2 + back], 1e-6);
  }
}

TEST_F(TablePolicyTest, GradientIsTheDerivative) {
  Randomize();
  const StateRows rows = Rows(10);
  // Weights that differ from row to row, so that no error can cancel.
  const at::Tensor weights = at::arange(rows.rows, at::kFloat) * 0.3 - 1.0;
  auto value = [&] {
    const RowLogProbs log_probs = policy_->LogProb(rows);
    return ((log_probs.log_pf - 0.5 * log_probs.log_pb) * weights).sum();
  };
  parameters_.ZeroGradient();
  value().backward();
  for (const int64_t segment : {policy_->forward_segment(), policy_->backward_segment()}) {
    double largest = 0;
    for (int64_t i = 0; i < parameters_.segments()[segment].size; ++i) {
      float& logit = parameters_.Data(segment)[i];
      const float before = logit, step = 1e-2f;
      logit = before + step;
      const double above = value().item<double>();
      logit = before - step;
      const double below = value().item<double>();
      logit = before;
      const double gradient = parameters_.GradientData(segment)[i];
      EXPECT_NEAR(gradient, (above - below) / (2 * step), 5e-3) << segment << " " << i;
      largest = std::max(largest, std::abs(gradient));
    }
    EXPECT_GT(largest, 0.1);
  }
}

TEST_F(TablePolicyTest, DrawsAsOftenAsItSays) {
  Randomize();
  const auto state = environment_->state_space()->States(4, 5);  // The middle: all is legal.
  constexpr int kDraws = 20000;
  ObservationBatch observations(policy_->observation());
  ActionMask forward(3), backward(2);
  for (int i = 0; i < kDraws; ++i) {
    environment_->AppendObservations(*state, observations);
    environment_->AppendForwardMask(*state, forward);
    environment_->AppendBackwardMask(*state, backward);
  }
  RandomStream random(9, 0);
  SampledActions drawn;
  std::vector<float> log_probs;
  auto expect_frequencies = [&](const ActionMask& mask) {
    for (int32_t a = 0; a < mask.num_actions; ++a) {
      const double p = std::exp(log_probs[a]);
      const auto count = std::count(drawn.ids.begin(), drawn.ids.end(), a);
      EXPECT_NEAR(static_cast<double>(count) / kDraws, p, 5 * std::sqrt(p * (1 - p) / kDraws));
    }
    EXPECT_NEAR(drawn.log_prob[0], log_probs[drawn.ids[0]], 1e-6);
  };
  policy_->SampleForward({observations, forward}, {}, random, drawn);
  ASSERT_TRUE(policy_->AllLogForward({observations, forward}, log_probs).ok());
  expect_frequencies(forward);
  policy_->SampleBackward({observations, backward}, random, drawn);
  ASSERT_TRUE(policy_->AllLogBackward({observations, backward}, log_probs).ok());
  expect_frequencies(backward);
}

TEST_F(TablePolicyTest, WrongTablesAreRefusedAndChangeNothing) {
  Randomize();
  const at::Tensor before = parameters_.values().clone();
  std::vector<double> forward(27, 0.0), backward(18, 0.0);
  EXPECT_THAT(std::string(policy_->Load(backward, backward).message()),
              HasSubstr("log_forward has 18 entries where 27 are needed"));
  backward[5] = std::nan("");
  EXPECT_THAT(std::string(policy_->Load(forward, backward).message()),
              HasSubstr("log_backward[5] is nan"));
  EXPECT_TRUE(at::equal(parameters_.values(), before));
}

TEST_F(TablePolicyTest, ObservationOfNoStateIsNotFound) {
  ObservationBatch observations(policy_->observation());
  observations.rows = 1;
  observations.hot = {0, 0};  // Two coordinates can't both be the first.
  ActionMask mask(3);
  mask.rows = 1;
  mask.dense = {1, 1, 1};
  std::vector<float> out;
  EXPECT_EQ(policy_->AllLogForward({observations, mask}, out).code(), absl::StatusCode::kNotFound);
}

TEST(TablePolicyCreateTest, EnvironmentTooLargeToEnumerateIsRefusedByName) {
  const auto environment = Hypergrid::Create({40, 8}).value();
  Parameters parameters;
  const auto policy = TablePolicy::Create(*environment, parameters);
  EXPECT_EQ(policy.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(policy.status().message()), HasSubstr("dimensions=40 side=8"));
}

}  // namespace
}  // namespace anabranch
