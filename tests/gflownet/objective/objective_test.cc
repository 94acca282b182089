#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <vector>

#include "gflownet/objective/trajectory_balance.h"
#include "gflownet/objective/var_grad.h"
#include "gtest/gtest.h"

namespace anabranch {
namespace {

// Three trajectories of 2, 1 and 3 states, in step order.
struct Batch {
  at::Tensor log_pf = at::tensor({-1.0f, -2.0f, -0.5f, -0.25f, -3.0f, -1.5f});
  at::Tensor log_pb = at::tensor({0.0f, 0.0f, 0.0f, -0.75f, -0.5f, -0.125f});
  at::Tensor log_z = at::tensor({2.0f});

  ObjectiveInput Input() const {
    return {log_pf,
            log_pb,
            {},
            at::tensor({0, 1, 2, 0, 2, 2}, at::kLong),
            at::tensor({0, 0, 0, 1, 1, 2}, at::kLong),
            at::tensor({0.5f, -1.0f, 2.0f}),
            log_z};
  }
};

TEST(TrajectoryBalanceTest, IsTheSquareOfTheWholePath) {
  const ObjectiveOutput out = TrajectoryBalance().Compute(Batch().Input());
  // log Z + Σ log P_F − log R − Σ log P_B of each.
  const std::vector<double> residual = {2 - 1.25 - 0.5 + 0.75, 2 - 2 + 1.0, 2 - 5 - 2.0 + 0.625};
  double mean = 0;
  for (int i = 0; i < 3; ++i) {
    EXPECT_NEAR(out.trajectory_loss[i].item<double>(), residual[i] * residual[i], 1e-5);
    mean += residual[i] * residual[i] / 3;
  }
  EXPECT_NEAR(out.loss.item<double>(), mean, 1e-5);
  EXPECT_FALSE(out.log_z_estimate.defined());
}

TEST(VarGradTest, GradientIsThatOfTrajectoryBalanceAtTheBatchOptimalLogZ) {
  Batch one, other;
  for (Batch* batch : {&one, &other}) {
    batch->log_pf.set_requires_grad(true);
    batch->log_pb.set_requires_grad(true);
  }
  const ObjectiveOutput var_grad = VarGrad().Compute(one.Input());
  var_grad.loss.backward();
  other.log_z = var_grad.log_z_estimate.view({1}).clone().set_requires_grad(true);
  const ObjectiveOutput balance = TrajectoryBalance().Compute(other.Input());
  balance.loss.backward();
  EXPECT_NEAR(other.log_z.grad().item<double>(), 0, 1e-5) << "log Z is not the best for the batch";
  EXPECT_GT(one.log_pf.grad().abs().max().item<double>(), 0.1);
  EXPECT_TRUE(at::allclose(one.log_pf.grad(), other.log_pf.grad(), 1e-5, 1e-5));
  EXPECT_TRUE(at::allclose(one.log_pb.grad(), other.log_pb.grad(), 1e-5, 1e-5));
  EXPECT_NEAR(var_grad.loss.item<double>(), balance.loss.item<double>(), 1e-5);
}

TEST(TrajectoryBalanceTest, TakesOneLogZForEachTrajectory) {
  Batch batch;
  batch.log_z = at::tensor({2.0f, 2.0f, 2.0f});
  EXPECT_NEAR(TrajectoryBalance().Compute(batch.Input()).loss.item<double>(),
              TrajectoryBalance().Compute(Batch().Input()).loss.item<double>(), 1e-6);
}

TEST(VarGradTest, DoesNotDependOnTheScaleOfTheReward) {
  Batch batch;
  ObjectiveInput input = batch.Input();
  const double before = VarGrad().Compute(input).loss.item<double>();
  input.log_reward = input.log_reward + 5;
  const ObjectiveOutput after = VarGrad().Compute(input);
  EXPECT_NEAR(after.loss.item<double>(), before, 1e-4);
}

}  // namespace
}  // namespace anabranch
