#include "gflownet/evaluation/analytic_flow.h"

#include <ATen/Functions.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "gflownet/evaluation/exact_distribution.h"
#include "gflownet/evaluation/metrics.h"
#include "gflownet/objective/trajectory_balance.h"
#include "gflownet/objective/var_grad.h"
#include "gflownet/policy/table_policy.h"
#include "gflownet/rollout/rollout.h"
#include "tests/gflownet/evaluation/problem.h"

namespace anabranch {
namespace {

using ::testing::HasSubstr;

constexpr double kNone = -std::numeric_limits<double>::infinity();
const TrajectoryBalance kTrajectoryBalance;
const VarGrad kVarGrad;
const Objective* const kObjectives[] = {&kTrajectoryBalance, &kVarGrad};

// A table policy that holds the analytic flow.
struct Solved {
  Solved(const Problem& problem, std::span<const double> log_backward = {})
      : flow(SolveFlow(problem.table, problem.log_rewards, log_backward).value()),
        policy(TablePolicy::Create(*problem.environment, parameters).value()) {
    parameters.Allocate();
    EXPECT_TRUE(policy->Load(flow.log_forward, flow.log_backward).ok());
  }

  AnalyticFlow flow;
  Parameters parameters;
  std::unique_ptr<TablePolicy> policy;
};

// A random distribution over the parents of every state, far from uniform.
std::vector<double> RandomBackward(const TransitionTable& table) {
  std::vector<double> logits(table.num_states * table.num_backward_actions, kNone);
  RandomStream random(5, 0);
  for (size_t entry = 0; entry < table.children.size(); ++entry) {
    const int64_t child = table.children[entry];
    if (child < 0) continue;
    logits[child * table.num_backward_actions + table.backward_actions[entry]] =
        2 * random.NextNormal();
  }
  for (int64_t s = 0; s < table.num_states; ++s) {
    const std::span<double> row(logits.data() + s * table.num_backward_actions,
                                table.num_backward_actions);
    const double sum = LogSumExp(row);
    for (double& value : row) value = sum == kNone ? kNone : value - sum;
  }
  return logits;
}

struct LossAndGradient {
  double loss;
  double gradient;  // Its largest component, log Z's included.
};

// Of trajectories drawn uniformly, so that improbable paths count as well.
LossAndGradient Evaluate(const Problem& problem, Solved& solved, const Objective& objective) {
  Rollout rollout(*problem.environment, *solved.policy);
  RandomStream random(11, 0);
  RolloutOptions options;
  options.trajectories = 512;
  options.exploration.epsilon = 1.0;
  Trajectories trajectories;
  EXPECT_TRUE(rollout.Forward(options, random, trajectories).ok());
  StateRows rows(solved.policy->observation());
  EXPECT_TRUE(BuildStateRows(*problem.environment, trajectories, rows).ok());
  RewardColumns rewards;
  problem.reward->Evaluate(trajectories.objects, rewards);
  std::vector<float> log_rewards;
  for (const double value : rewards.values) {
    const bool is_log = problem.reward->objectives()[0].is_log;
    log_rewards.push_back(static_cast<float>(is_log ? value : std::log(value)));
  }
  const at::Tensor log_z =
      at::tensor({static_cast<float>(solved.flow.log_z())}).set_requires_grad(true);
  const RowLogProbs log_probs = solved.policy->LogProb(rows);
  const ObjectiveOutput output = objective.Compute({log_probs.log_pf,
                                                    log_probs.log_pb,
                                                    {},
                                                    at::tensor(rows.trajectory, at::kLong),
                                                    at::tensor(rows.step, at::kLong),
                                                    at::tensor(log_rewards),
                                                    log_z});
  solved.parameters.ZeroGradient();
  output.loss.backward();
  double gradient = solved.parameters.gradient().abs().max().item<double>();
  if (objective.needs_log_z()) {
    gradient = std::max(gradient, log_z.grad().abs().max().item<double>());
  }
  return {output.loss.item<double>(), gradient};
}

double TotalVariation(const Problem& problem, Solved& solved) {
  auto evaluator =
      ExactEvaluator::Create(*problem.environment, solved.policy->observation()).value();
  const auto log_p = evaluator->LogDistribution(*solved.policy);
  EXPECT_TRUE(log_p.ok()) << log_p.status();
  return CompareDistributions(TargetDistribution(problem.log_rewards).value(), *log_p)
      ->total_variation;
}

class AnalyticFlowTest : public ::testing::TestWithParam<std::string> {
 protected:
  static Problem Make() {
    if (GetParam() == "grid") return Grid(8, 2);
    if (GetParam() == "append") return Sequences(SequenceGrowth::kAppend, 0, 5);
    return Sequences(SequenceGrowth::kPrependOrAppend, 2, 5);
  }
  const Problem problem_ = Make();
};

TEST_P(AnalyticFlowTest, SourceCarriesTheWholePartition) {
  const Solved solved(problem_);
  EXPECT_NEAR(solved.flow.log_z(), LogSumExp(problem_.log_rewards), 1e-10);
  if (GetParam() == "grid") {
    EXPECT_NEAR(solved.flow.log_z(), 3.10906, 1e-5);
  }
}

// In double, where a policy's floats add no error of their own.
TEST_P(AnalyticFlowTest, ItsProbabilitiesPushTheTargetThroughTheGraph) {
  const TransitionTable& table = problem_.table;
  const AnalyticFlow flow = SolveFlow(table, problem_.log_rewards, RandomBackward(table)).value();
  std::vector<double> mass(table.num_states, 0.0), log_p(table.num_states, kNone);
  mass[0] = 1.0;
  for (int64_t s = 0; s < table.num_states; ++s) {
    const int64_t first = s * table.num_forward_actions;
    for (int32_t a = 0; a < table.num_forward_actions; ++a) {
      const int32_t child = table.children[first + a];
      if (child >= 0) mass[child] += mass[s] * std::exp(flow.log_forward[first + a]);
    }
    log_p[s] = std::log(mass[s]) + flow.log_forward[first + table.stop_action];
  }
  const auto distances =
      CompareDistributions(TargetDistribution(problem_.log_rewards).value(), log_p);
  ASSERT_TRUE(distances.ok()) << distances.status();
  EXPECT_LT(distances->total_variation, 1e-9);
}

TEST_P(AnalyticFlowTest, ItsPolicySamplesTheTarget) {
  Solved uniform(problem_);
  EXPECT_LT(TotalVariation(problem_, uniform), 1e-6);
  Solved random(problem_, RandomBackward(problem_.table));
  EXPECT_LT(TotalVariation(problem_, random), 1e-6);
  EXPECT_NEAR(random.flow.log_z(), uniform.flow.log_z(), 1e-10);
  random.parameters.values().zero_();
  EXPECT_GT(TotalVariation(problem_, random), 0.1) << "the uniform policy does nearly as well";
}

TEST_P(AnalyticFlowTest, LossAndGradientAreZero) {
  for (const auto& backward : {std::vector<double>(), RandomBackward(problem_.table)}) {
    Solved solved(problem_, backward);
    for (const Objective* objective : kObjectives) {
      const LossAndGradient at = Evaluate(problem_, solved, *objective);
      EXPECT_LT(at.loss, 1e-9) << objective->name();
      EXPECT_LT(at.gradient, 1e-5) << objective->name();
    }
  }
}

TEST_P(AnalyticFlowTest, LossAndGradientAreNotZeroOnceALogitMoves) {
  Solved solved(problem_);
  solved.parameters.Data(solved.policy->forward_segment())[0] += 0.1f;
  for (const Objective* objective : kObjectives) {
    const LossAndGradient at = Evaluate(problem_, solved, *objective);
    EXPECT_GT(at.loss, 1e-4) << objective->name();
    EXPECT_GT(at.gradient, 1e-3) << objective->name();
  }
  EXPECT_GT(TotalVariation(problem_, solved), 1e-3);
}

INSTANTIATE_TEST_SUITE_P(Problems, AnalyticFlowTest,
                         ::testing::Values("grid", "append", "prepend_or_append"),
                         [](const auto& info) { return info.param; });

TEST(SolveFlowTest, StatesWithoutFlowHaveAUniformRow) {
  const Problem grid = Grid(3, 1);
  const std::vector<double> log_rewards = {0.0, kNone, kNone};
  const AnalyticFlow flow = SolveFlow(grid.table, log_rewards).value();
  EXPECT_NEAR(flow.log_z(), 0.0, 1e-12);
  EXPECT_EQ(flow.log_forward[0], kNone);         // From 0 nothing flows on,
  EXPECT_NEAR(flow.log_forward[1], 0.0, 1e-12);  // all of it stops;
  EXPECT_NEAR(flow.log_forward[2], std::log(0.5), 1e-12);
  EXPECT_NEAR(flow.log_forward[5], 0.0, 1e-12);  // the last cell can only stop.
}

TEST(SolveFlowTest, WrongInputIsNamed) {
  const Problem grid = Grid(3, 1);
  auto message = [&](std::vector<double> rewards, std::vector<double> backward = {}) {
    const auto flow = SolveFlow(grid.table, rewards, backward);
    EXPECT_EQ(flow.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(flow.status().message());
  };
  EXPECT_THAT(message({0, 0}), HasSubstr("log_rewards has 2 entries where 3 are needed"));
  EXPECT_THAT(message({0, std::nan(""), 0}), HasSubstr("log_rewards[1] is nan"));
  EXPECT_THAT(message({0, 0, 0}, {kNone, 0}), HasSubstr("log_backward has 2 entries"));
  EXPECT_THAT(message({0, 0, 0}, {kNone, -1, 0}), HasSubstr("log_backward of state 1 sums to"));
  EXPECT_THAT(message({0, 0, 0}, {0, 0, 0}), HasSubstr("illegal actions"));
  const Problem sequences = Sequences(SequenceGrowth::kAppend, 1, 2);
  std::vector<double> rewards(sequences.table.num_states, 0.0);
  EXPECT_THAT(std::string(SolveFlow(sequences.table, rewards).status().message()),
              HasSubstr("log_rewards[0] is 0; stop is illegal there"));
}

}  // namespace
}  // namespace anabranch
