#include "gflownet/evaluation/estimators.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "gflownet/evaluation/analytic_flow.h"
#include "gflownet/evaluation/exact_distribution.h"
#include "gflownet/evaluation/metrics.h"
#include "gflownet/policy/model.h"
#include "gflownet/policy/table_policy.h"
#include "tests/gflownet/evaluation/problem.h"

namespace anabranch {
namespace {

using ::testing::HasSubstr;

LogRewards RewardsOf(const Problem& problem) {
  return [&problem](std::span<const std::string> objects) -> absl::StatusOr<std::vector<double>> {
    RewardColumns columns;
    problem.reward->Evaluate(objects, columns);
    if (!problem.reward->objectives()[0].is_log) {
      for (double& value : columns.values) value = std::log(value);
    }
    return columns.values;
  };
}

// A network far from any target, with a learned backward policy.
Model RandomModel(const Problem& problem) {
  ModelOptions options;
  options.mlp.hidden_width = 16;
  options.seed = 5;
  Model model = MakeModel(options, problem.environment->spec()).value();
  model.parameters->values().mul_(1.6);
  return model;
}

std::vector<double> ExactLogProbabilities(const Problem& problem, Policy& policy) {
  return ExactEvaluator::Create(*problem.environment, policy.observation())
      .value()
      ->LogDistribution(policy)
      .value();
}

class EstimatorTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    flow_ = SolveFlow(problem_.table, problem_.log_rewards).value();
    perfect_ = TablePolicy::Create(*problem_.environment, parameters_).value();
    parameters_.Allocate();
    ASSERT_TRUE(perfect_->Load(flow_.log_forward, flow_.log_backward).ok());
  }

  static Problem Make() {
    return GetParam() == "grid" ? Grid(6, 2) : Sequences(SequenceGrowth::kPrependOrAppend, 0, 3);
  }

  const Problem problem_ = Make();
  AnalyticFlow flow_;
  Parameters parameters_;
  std::unique_ptr<TablePolicy> perfect_;
  RandomStream random_{17, 0};
};

TEST_P(EstimatorTest, OneSampleIsExactForThePerfectPolicy) {
  Estimator estimator = Estimator::Create(*problem_.environment, *perfect_).value();
  const auto estimates = estimator.LogProbabilities(problem_.objects, 1, random_);
  ASSERT_TRUE(estimates.ok()) << estimates.status();
  for (size_t s = 0; s < estimates->size(); ++s) {
    EXPECT_NEAR((*estimates)[s].value, problem_.log_rewards[s] - flow_.log_z(), 1e-5);
  }
}

TEST_P(EstimatorTest, BothBoundsAreLogZForThePerfectPolicy) {
  Estimator estimator = Estimator::Create(*problem_.environment, *perfect_).value();
  const auto elbo = estimator.Elbo(RewardsOf(problem_), 200, random_);
  const auto eubo =
      estimator.Eubo(problem_.objects, problem_.log_rewards, problem_.log_rewards, 200, random_);
  ASSERT_TRUE(elbo.ok()) << elbo.status();
  ASSERT_TRUE(eubo.ok()) << eubo.status();
  EXPECT_NEAR(elbo->value, flow_.log_z(), 1e-5);
  EXPECT_NEAR(eubo->value, flow_.log_z(), 1e-5);
  EXPECT_LT(elbo->standard_error, 1e-6);
  EXPECT_LT(eubo->standard_error, 1e-6);
}

TEST_P(EstimatorTest, BoundsBracketLogZForAnyOtherPolicy) {
  Model model = RandomModel(problem_);
  Estimator estimator = Estimator::Create(*problem_.environment, *model.policy).value();
  const Estimate elbo = estimator.Elbo(RewardsOf(problem_), 4000, random_).value();
  const Estimate eubo =
      estimator.Eubo(problem_.objects, problem_.log_rewards, problem_.log_rewards, 4000, random_)
          .value();
  EXPECT_LT(elbo.value + 5 * elbo.standard_error, flow_.log_z());
  EXPECT_GT(eubo.value - 5 * eubo.standard_error, flow_.log_z());
}

// KL(p* ‖ p) ≤ EUBO − log Z and KL(p ‖ p*) ≤ log Z − ELBO: the gap over paths is at least that over
// objects.
TEST_P(EstimatorTest, GapsAreAtLeastTheDivergences) {
  Model model = RandomModel(problem_);
  const auto distances = CompareDistributions(TargetDistribution(problem_.log_rewards).value(),
                                              ExactLogProbabilities(problem_, *model.policy));
  Estimator estimator = Estimator::Create(*problem_.environment, *model.policy).value();
  const Estimate elbo = estimator.Elbo(RewardsOf(problem_), 4000, random_).value();
  const Estimate eubo =
      estimator.Eubo(problem_.objects, problem_.log_rewards, problem_.log_rewards, 4000, random_)
          .value();
  EXPECT_GT(flow_.log_z() - elbo.value + 5 * elbo.standard_error, distances->kl_qp);
  EXPECT_GT(eubo.value - flow_.log_z() + 5 * eubo.standard_error, distances->kl_pq);
}

TEST_P(EstimatorTest, ConvergesToTheExactProbability) {
  Model model = RandomModel(problem_);
  const std::vector<double> exact = ExactLogProbabilities(problem_, *model.policy);
  Estimator estimator = Estimator::Create(*problem_.environment, *model.policy).value();
  const auto estimates = estimator.LogProbabilities(problem_.objects, 1000, random_).value();
  double largest_error = 0, total_error = 0, total_rough_error = 0;
  int64_t outside = 0;  // Of two standard errors.
  for (size_t s = 0; s < exact.size(); ++s) {
    const double error = std::abs(estimates[s].value - exact[s]);
    EXPECT_LT(error, 5 * estimates[s].standard_error + 1e-4) << problem_.objects[s];
    outside += error > 2 * estimates[s].standard_error + 1e-5;
    largest_error = std::max(largest_error, estimates[s].standard_error);
    total_error += estimates[s].standard_error;
  }
  EXPECT_LT(outside, static_cast<int64_t>(exact.size()) / 5);
  EXPECT_LT(largest_error, 0.25) << "errors too large to prove anything";
  const auto roughly = estimator.LogProbabilities(problem_.objects, 20, random_).value();
  for (const Estimate& rough : roughly) total_rough_error += rough.standard_error;
  EXPECT_GT(total_rough_error, 3 * total_error)
      << "50 times the samples ought to be 7 times better";
}

TEST_P(EstimatorTest, ChunksChangeNothingForThePerfectPolicyAndReportProgress) {
  EstimatorOptions options;
  options.max_rows = 1;  // One trajectory at a time.
  std::vector<int64_t> done;
  options.progress = [&](int64_t d, int64_t total) {
    EXPECT_EQ(total, 6);
    done.push_back(d);
  };
  Estimator estimator = Estimator::Create(*problem_.environment, *perfect_, options).value();
  const std::vector<std::string> objects(problem_.objects.end() - 3, problem_.objects.end());
  const auto estimates = estimator.LogProbabilities(objects, 2, random_).value();
  EXPECT_NEAR(estimates[2].value, problem_.log_rewards.back() - flow_.log_z(), 1e-5);
  EXPECT_THAT(done, ::testing::ElementsAre(1, 2, 3, 4, 5, 6));
}

INSTANTIATE_TEST_SUITE_P(Problems, EstimatorTest, ::testing::Values("grid", "sequence"),
                         [](const auto& info) { return info.param; });

TEST(EstimatorInputTest, WrongInputIsNamed) {
  const Problem grid = Grid(3, 2);
  Parameters parameters;
  const auto policy = TablePolicy::Create(*grid.environment, parameters).value();
  parameters.Allocate();
  Estimator estimator = Estimator::Create(*grid.environment, *policy).value();
  RandomStream random(1, 0);
  const std::vector<std::string> objects = {"0 0", "0 7"};
  const std::vector<std::string> good = {"0 0", "1 1"};
  constexpr double kNone = -std::numeric_limits<double>::infinity();
  auto message = [](const auto& result) {
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(result.status().message());
  };
  EXPECT_THAT(message(estimator.LogProbabilities(objects, 3, random)), HasSubstr("objects[1]"));
  EXPECT_THAT(message(estimator.LogProbabilities(good, 0, random)), HasSubstr("samples is 0"));
  EXPECT_THAT(message(estimator.Elbo([](auto) { return std::vector<double>{0.0}; }, 2, random)),
              HasSubstr("log_rewards has 1 entries where 2"));
  EXPECT_THAT(message(estimator.Elbo(
                  [](auto o) { return std::vector<double>(o.size(), std::nan("")); }, 2, random)),
              HasSubstr("log_rewards[0] is nan"));
  EXPECT_THAT(message(estimator.Eubo(good, std::vector<double>{0}, {}, 2, random)),
              HasSubstr("log_rewards has 1 entries"));
  EXPECT_THAT(message(estimator.Eubo(good, std::vector<double>{0, 0},
                                     std::vector<double>{kNone, kNone}, 2, random)),
              HasSubstr("positive weight"));
  EstimatorOptions options;
  options.max_rows = 0;
  EXPECT_THAT(message(Estimator::Create(*grid.environment, *policy, options)),
              HasSubstr("max_rows is 0"));
}

TEST(EstimatorInputTest, PolicyThatIsNotANumberIsRefused) {
  const Problem grid = Grid(3, 2);
  Model model = RandomModel(grid);
  model.parameters->values().fill_(std::numeric_limits<float>::quiet_NaN());
  Estimator estimator = Estimator::Create(*grid.environment, *model.policy).value();
  RandomStream random(1, 0);
  auto expect_refusal = [](const auto& result) {
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInternal);
    EXPECT_THAT(std::string(result.status().message()), HasSubstr("log P_F nan"));
  };
  expect_refusal(estimator.LogProbabilities(grid.objects, 1, random));
  expect_refusal(estimator.Elbo(RewardsOf(grid), 2, random));
  expect_refusal(estimator.Eubo(grid.objects, grid.log_rewards, {}, 2, random));
}

}  // namespace
}  // namespace anabranch
