#include "learner/training_step.h"

#include <ATen/Functions.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "gflownet/environment/hypergrid.h"
#include "gflownet/objective/trajectory_balance.h"
#include "gflownet/objective/var_grad.h"
#include "gflownet/rollout/rollout.h"
#include "gtest/gtest.h"

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

}  // namespace
}  // namespace anabranch
