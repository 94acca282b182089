#include "gflownet/rollout/rollout.h"

#include <ATen/core/grad_mode.h>

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gflownet/environment/hypergrid.h"
#include "gflownet/environment/sequence.h"
#include "gflownet/policy/model.h"
#include "gflownet/trajectory/state_rows.h"
#include "gtest/gtest.h"

namespace anabranch {
namespace {

class RolloutTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      environment_ = *Hypergrid::Create({2, 4});
    } else {
      environment_ = *Sequence::Create({{"A", "C"}, 0, 4, SequenceGrowth::kPrependOrAppend});
    }
    ModelOptions options;
    options.mlp.hidden_width = 32;
    model_ = *MakeModel(options, environment_->spec());
  }

  // Each trajectory ends in the object that is said to be its own.
  void ExpectConsistent(const Trajectories& t) {
    StateRows rows(model_.policy->observation());
    ASSERT_EQ(BuildStateRows(*environment_, t, rows), absl::OkStatus());
    size_t at = 0;
    for (int64_t i = 0; i < t.size(); ++i) {
      auto state = environment_->Initial(1);
      for (int32_t s = 0; s < t.lengths[i]; ++s, ++at) {
        environment_->Step(*state, {std::span<const int32_t>(&t.actions[at], 1), {}});
      }
      std::vector<std::string> object;
      environment_->AppendObjects(*state, object);
      EXPECT_EQ(object[0], t.objects[i]);
      EXPECT_EQ(t.object_keys[i], ObjectKey::Of(t.objects[i]));
      EXPECT_EQ(t.state_keys[i], StateKey::Of(t.objects[i]));
    }
  }

  std::unique_ptr<Environment> environment_;
  Model model_;
};

INSTANTIATE_TEST_SUITE_P(Environments, RolloutTest, testing::Bool());

TEST_P(RolloutTest, ForwardGivesLegalTrajectoriesWithTheirObjects) {
  Rollout rollout(*environment_, *model_.policy);
  RandomStream random(1, 1);
  Trajectories t;
  RolloutOptions options;
  options.trajectories = 200;
  for (int repeat = 0; repeat < 3; ++repeat) {
    ASSERT_EQ(rollout.Forward(options, random, t), absl::OkStatus());
    ASSERT_EQ(t.size(), 200);
    ExpectConsistent(t);
  }
}

TEST_P(RolloutTest, SameStreamSameTrajectories) {
  Trajectories first, second;
  for (Trajectories* t : {&first, &second}) {
    Rollout rollout(*environment_, *model_.policy);
    RandomStream random(4, 2);
    ASSERT_EQ(rollout.Forward({}, random, *t), absl::OkStatus());
  }
  EXPECT_EQ(first.actions, second.actions);
  EXPECT_EQ(first.objects, second.objects);
}

TEST_P(RolloutTest, BackwardEndsAtTheSourceAndReadsForward) {
  Rollout rollout(*environment_, *model_.policy);
  RandomStream random(1, 1);
  Trajectories there, back;
  RolloutOptions options;
  options.trajectories = 50;
  ASSERT_EQ(rollout.Forward(options, random, there), absl::OkStatus());
  std::vector<float> log_pb;
  ASSERT_EQ(rollout.Backward(there.objects, random, back, &log_pb), absl::OkStatus());
  EXPECT_EQ(back.objects, there.objects);
  ExpectConsistent(back);
  StateRows rows(model_.policy->observation());
  ASSERT_EQ(BuildStateRows(*environment_, back, rows), absl::OkStatus());
  at::NoGradGuard no_grad;
  const at::Tensor per_row = model_.policy->LogProb(rows).log_pb;
  std::vector<double> sums(50, 0.0);
  for (int64_t r = 0; r < rows.rows; ++r) sums[rows.trajectory[r]] += per_row[r].item<double>();
  for (int i = 0; i < 50; ++i) EXPECT_NEAR(sums[i], log_pb[i], 1e-4);
}

TEST_P(RolloutTest, BackwardDrawsByThePolicy) {
  // Frequencies of whole backward paths from one object against their probabilities.
  const std::string object = GetParam() ? "2 1" : "AAC";
  constexpr int kDraws = 20000;
  const std::vector<std::string> objects(kDraws, object);
  Rollout rollout(*environment_, *model_.policy);
  RandomStream random(6, 1);
  Trajectories t;
  std::vector<float> log_pb;
  ASSERT_EQ(rollout.Backward(objects, random, t, &log_pb), absl::OkStatus());
  std::map<std::vector<int32_t>, std::pair<int, double>> paths;
  auto at = t.actions.begin();
  for (int i = 0; i < kDraws; ++i, at += t.lengths[i - 1]) {
    auto& [count, probability] = paths[{at, at + t.lengths[i]}];
    ++count;
    probability = std::exp(log_pb[i]);
  }
  EXPECT_EQ(paths.size(), 3u);
  double total = 0;
  for (const auto& [path, seen] : paths) {
    total += seen.second;
    EXPECT_NEAR(static_cast<double>(seen.first) / kDraws, seen.second,
                0.018);  // 5 standard errors.
  }
  EXPECT_NEAR(total, 1, 1e-5);
}

TEST_P(RolloutTest, OptionsThatMeanNothingAreRefusedByName) {
  Rollout rollout(*environment_, *model_.policy);
  RandomStream random(1, 1);
  Trajectories t;
  auto refused = [&](auto change) {
    RolloutOptions options;
    change(options);
    return std::string(rollout.Forward(options, random, t).message());
  };
  EXPECT_NE(refused([](auto& o) { o.trajectories = 0; }).find("trajectories"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.exploration.epsilon = 1.5; }).find("epsilon"),
            std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.exploration.temperature = 0; }).find("temperature"),
            std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.conditions = {1}; }).find("conditions"), std::string::npos);
  const std::vector<std::string> objects = {"nonsense"};
  EXPECT_NE(rollout.Backward(objects, random, t).message().find("objects[0]"), std::string::npos);
}

}  // namespace
}  // namespace anabranch
