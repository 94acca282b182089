#include "learner/training_step.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "gflownet/environment/hypergrid.h"
#include "gflownet/objective/trajectory_balance.h"
#include "gflownet/objective/var_grad.h"
#include "gflownet/rollout/rollout.h"
#include "gtest/gtest.h"
#include "learner/device.h"

namespace anabranch {
namespace {

class TrainingStepTest : public testing::Test {
 protected:
  TrainingStepTest() {
    ModelOptions options;
    options.mlp.hidden_width = 32;
    model_ = *MakeModel(options, grid_->spec());
    step_ = std::make_unique<TrainingStep>(TrainingStepOptions{}, *grid_, model_, balance_);
    RolloutOptions rollout;
    RandomStream random(1, 1);
    EXPECT_TRUE(Rollout(*grid_, *model_.policy).Forward(rollout, random, trajectories_).ok());
    log_rewards_.assign(trajectories_.size(), 0.5f);
  }

  std::unique_ptr<Hypergrid> grid_ = *Hypergrid::Create({2, 6});
  TrajectoryBalance balance_;
  Model model_;
  std::unique_ptr<TrainingStep> step_;
  Trajectories trajectories_;
  std::vector<float> log_rewards_;
};

TEST_F(TrainingStepTest, RepeatedOnOneBatchTheLossGoesDown) {
  const double first = step_->Run(trajectories_, log_rewards_)->loss;
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(step_->Run(trajectories_, log_rewards_)->applied);
  EXPECT_LT(step_->Run(trajectories_, log_rewards_)->loss, 0.1 * first);
  EXPECT_EQ(step_->optimizer().step(), 202);
}

TEST_F(TrainingStepTest, ReportsTheLossOfEachTrajectory) {
  auto result = step_->Run(trajectories_, log_rewards_);
  ASSERT_TRUE(result.ok());
  double mean = 0;
  for (const float loss : result->trajectory_loss) mean += loss / 16;
  EXPECT_NEAR(mean, result->loss, 1e-4 * result->loss);
  EXPECT_EQ(result->transitions, static_cast<int64_t>(trajectories_.actions.size()));
}

TEST_F(TrainingStepTest, BadBatchesAreRefusedByIndexAndChangeNothing) {
  const at::Tensor before = model_.parameters->values().clone();
  log_rewards_[3] = std::numeric_limits<float>::quiet_NaN();
  auto status = step_->Run(trajectories_, log_rewards_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("log_rewards[3] is nan"), std::string::npos) << status;
  log_rewards_.pop_back();
  EXPECT_NE(step_->Run(trajectories_, log_rewards_).status().message().find("15 entries for 16"),
            std::string::npos);
  log_rewards_.assign(16, 0.0f);
  trajectories_.actions[0] = 99;
  status = step_->Run(trajectories_, log_rewards_).status();
  EXPECT_NE(status.message().find("trajectory 0, step 0: action 99"), std::string::npos) << status;
  EXPECT_TRUE(at::equal(model_.parameters->values(), before));
  EXPECT_EQ(step_->optimizer().step(), 0);
}

TEST_F(TrainingStepTest, ALossThatIsNotFiniteIsReportedAndSkipped) {
  // Finite log-rewards whose squared residual overflows.
  log_rewards_.assign(16, 3e38f);
  const at::Tensor before = model_.parameters->values().clone();
  auto result = step_->Run(trajectories_, log_rewards_);
  ASSERT_TRUE(result.ok());
  EXPECT_FALSE(result->applied);
  EXPECT_TRUE(at::equal(model_.parameters->values(), before));
  EXPECT_EQ(step_->optimizer().step(), 0);
  log_rewards_.assign(16, 0.0f);
  EXPECT_TRUE(step_->Run(trajectories_, log_rewards_)->applied);
}

TEST_F(TrainingStepTest, VarGradReportsItsEstimateOfLogZ) {
  ModelOptions options;
  options.with_log_z = false;
  Model model = *MakeModel(options, grid_->spec());
  const VarGrad objective;
  TrainingStep step({}, *grid_, model, objective);
  auto low = step.Run(trajectories_, std::vector<float>(16, 0.0f));
  ASSERT_TRUE(low.ok());
  auto again =
      TrainingStep({}, *grid_, model, objective).Run(trajectories_, std::vector<float>(16, 7.0f));
  EXPECT_NEAR(again->log_z - low->log_z, 7.0, 0.2);  // One step apart.
}

// A step on another device than the fused one's: on CUDA where there is a device, otherwise by the
// same tensor operations on the CPU.
struct TensorPath {
  explicit TensorPath(const Environment& environment, ModelOptions model_options, bool log_z) {
    const auto opened = OpenDevice("auto");
    EXPECT_TRUE(opened.ok()) << opened.status();
    std::cout << "tensor path on " << opened->device << "\n";
    model_options.mlp.reference = true;
    model_options.with_log_z = log_z;
    model = *MakeModel(model_options, environment.spec(), opened->device);
    options.reference = true;
  }
  Model model;
  TrainingStepOptions options;
};

// Paths to cells drawn uniformly, so that all lengths occur.
Trajectories UniformPaths(const Environment& environment, Policy& policy, RandomStream& random) {
  std::vector<std::string> cells;
  const StateSpace& space = *environment.state_space();
  for (int i = 0; i < 16; ++i) {
    const auto cell = static_cast<int64_t>(random.NextBelow(space.num_states()));
    environment.AppendObjects(*space.States(cell, cell + 1), cells);
  }
  Trajectories trajectories;
  EXPECT_TRUE(Rollout(environment, policy).Backward(cells, random, trajectories).ok());
  return trajectories;
}

TEST_F(TrainingStepTest, TheTensorPathHasTheFusedPathsLossesOver100Steps) {
  ModelOptions options;
  options.mlp.hidden_width = 32;
  TensorPath other(*grid_, options, /*log_z=*/true);
  // Clipping and decay, so that all of Adam is in play.
  TrainingStepOptions fused_options;
  fused_options.adam.max_gradient_norm = 5;
  fused_options.adam.weight_decay = 0.01;
  other.options.adam = fused_options.adam;
  TrainingStep fused(fused_options, *grid_, model_, balance_);
  TrainingStep tensors(other.options, *grid_, other.model, balance_);
  RandomStream random(3, 3);
  for (int i = 0; i < 100; ++i) {
    const Trajectories batch = UniformPaths(*grid_, *model_.policy, random);
    std::vector<float> log_rewards;
    for (int j = 0; j < 16; ++j)
      log_rewards.push_back(-3 * static_cast<float>(random.NextUniform()));
    auto a = fused.Run(batch, log_rewards);
    auto b = tensors.Run(batch, log_rewards);
    ASSERT_TRUE(a.ok() && b.ok()) << a.status() << b.status();
    ASSERT_TRUE(a->applied && b->applied);
    ASSERT_NEAR(a->loss, b->loss, 1e-4 * std::max(1.0, a->loss)) << "step " << i;
    ASSERT_NEAR(a->gradient_norm, b->gradient_norm, 1e-3 * std::max(1.0, a->gradient_norm));
    for (int j = 0; j < 16; ++j) {
      ASSERT_NEAR(a->trajectory_loss[j], b->trajectory_loss[j],
                  1e-3 * std::max(1.0f, a->trajectory_loss[j]));
    }
  }
  EXPECT_NEAR(model_.LogZ().item<float>(), other.model.LogZ().item<float>(), 1e-3);
}

TEST_F(TrainingStepTest, TheTensorPathSkipsALossThatIsNotFinite) {
  TensorPath other(*grid_, {}, /*log_z=*/true);
  TrainingStep step(other.options, *grid_, other.model, balance_);
  const at::Tensor before = other.model.parameters->values().clone();
  log_rewards_.assign(16, 3e38f);
  auto result = step.Run(trajectories_, log_rewards_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->applied);
  EXPECT_TRUE(at::equal(other.model.parameters->values(), before));
  EXPECT_EQ(step.optimizer().step(), 0);
  log_rewards_.assign(16, 0.0f);
  EXPECT_TRUE(step.Run(trajectories_, log_rewards_)->applied);
}

TEST_F(TrainingStepTest, TheTensorPathReportsVarGradsEstimateOfLogZ) {
  TensorPath other(*grid_, {}, /*log_z=*/false);
  const VarGrad objective;
  TrainingStep step(other.options, *grid_, other.model, objective);
  auto low = step.Run(trajectories_, std::vector<float>(16, 0.0f));
  ASSERT_TRUE(low.ok()) << low.status();
  auto high = TrainingStep(other.options, *grid_, other.model, objective)
                  .Run(trajectories_, std::vector<float>(16, 7.0f));
  EXPECT_NEAR(high->log_z - low->log_z, 7.0, 0.2);  // One step apart.
}

}  // namespace
}  // namespace anabranch
