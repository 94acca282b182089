#include "gflownet/evaluation/exact_distribution.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <string>

#include "gflownet/evaluation/metrics.h"
#include "gflownet/policy/model.h"
#include "tests/gflownet/evaluation/problem.h"

namespace anabranch {
namespace {

using ::testing::HasSubstr;

Model RandomModel(const Environment& environment, uint64_t seed, double scale = 1.0) {
  ModelOptions options;
  options.mlp.hidden_width = 32;
  options.seed = seed;
  Model model = MakeModel(options, environment.spec()).value();
  model.parameters->values().mul_(scale);  // Larger weights: a policy far from uniform.
  return model;
}

std::unique_ptr<ExactEvaluator> Evaluator(const Environment& environment, const Policy& policy) {
  return ExactEvaluator::Create(environment, policy.observation()).value();
}

// p(x) of every object by walking every path there is, one state at a time.
std::map<std::string, double> EnumeratePaths(const Environment& environment, Policy& policy) {
  std::map<std::string, double> p;
  const EnvironmentSpec& spec = environment.spec();
  std::function<void(const StateBatch&, double)> walk = [&](const StateBatch& state, double mass) {
    ObservationBatch observation(policy.observation());
    ActionMask mask(spec.num_forward_actions);
    environment.AppendObservations(state, observation);
    environment.AppendForwardMask(state, mask);
    std::vector<float> log_forward;
    ASSERT_TRUE(policy.AllLogForward({observation, mask}, log_forward).ok());
    for (int32_t action = 0; action < spec.num_forward_actions; ++action) {
      if (!mask.IsLegal(0, action)) continue;
      const double next = mass * std::exp(log_forward[action]);
      if (action == spec.stop_action) {
        std::vector<std::string> objects;
        environment.AppendObjects(state, objects);
        p[objects[0]] += next;
        continue;
      }
      auto child = environment.Clone(state);
      environment.Step(*child, {std::span(&action, 1)});
      walk(*child, next);
    }
  };
  walk(*environment.Initial(1), 1.0);
  return p;
}

double SumOf(const std::vector<double>& log_p) { return std::exp(LogSumExp(log_p)); }

TEST(ExactDistributionTest, SumsToOneForRandomPolicies) {
  for (const auto& [side, dimensions] : {std::pair{8, 2}, {3, 5}, {2, 1}, {8, 4}}) {
    const Problem grid = Grid(side, dimensions);
    for (const double scale : {1.0, 8.0}) {
      Model model = RandomModel(*grid.environment, 7, scale);
      const auto log_p =
          Evaluator(*grid.environment, *model.policy)->LogDistribution(*model.policy);
      ASSERT_TRUE(log_p.ok()) << log_p.status();
      EXPECT_NEAR(SumOf(*log_p), 1.0, 1e-6) << side << "^" << dimensions;
    }
  }
}

TEST(ExactDistributionTest, EqualsTheSumOverAllPaths) {
  const Problem problems[] = {Grid(4, 2), Grid(3, 3), Sequences(SequenceGrowth::kAppend, 0, 3),
                              Sequences(SequenceGrowth::kPrependOrAppend, 1, 3)};
  for (const Problem& problem : problems) {
    Model model = RandomModel(*problem.environment, 3, 5.0);
    auto evaluator = Evaluator(*problem.environment, *model.policy);
    const auto log_p = evaluator->LogDistribution(*model.policy);
    ASSERT_TRUE(log_p.ok()) << log_p.status();
    const std::map<std::string, double> expected =
        EnumeratePaths(*problem.environment, *model.policy);
    const auto& terminal = problem.table.terminal;
    ASSERT_EQ(static_cast<int64_t>(expected.size()),
              std::count(terminal.begin(), terminal.end(), 1));
    double largest = 0, smallest = 1;
    for (size_t s = 0; s < log_p->size(); ++s) {
      if (!terminal[s]) {
        EXPECT_EQ((*log_p)[s], -std::numeric_limits<double>::infinity());
        continue;
      }
      const double p = expected.at(evaluator->objects()[s]);
      EXPECT_NEAR(std::exp((*log_p)[s]), p, 1e-5 * p) << evaluator->objects()[s];
      largest = std::max(largest, p);
      smallest = std::min(smallest, p);
    }
    EXPECT_GT(largest, 10 * smallest) << "the policy is too even to tell anything";
  }
}

TEST(ExactDistributionTest, UniformPolicyAndUniformCellsHaveTheirKnownDistances) {
  const Problem grid = Grid(8, 4);
  EXPECT_NEAR(LogSumExp(grid.log_rewards), 6.34493, 1e-5);
  const std::vector<double> target = TargetDistribution(grid.log_rewards).value();
  const std::vector<double> cells(4096, -std::log(4096.0));
  EXPECT_NEAR(CompareDistributions(target, cells)->sum_l1, 0.527, 5e-4);

  Model model = RandomModel(*grid.environment, 1, 0.0);  // All logits 0.
  const auto log_p = Evaluator(*grid.environment, *model.policy)->LogDistribution(*model.policy);
  ASSERT_TRUE(log_p.ok()) << log_p.status();
  EXPECT_NEAR(CompareDistributions(target, *log_p)->sum_l1, 1.600, 5e-4);
}

TEST(ExactDistributionTest, OneEvaluatorServesManyPolicies) {
  const Problem grid = Grid(5, 2);
  Model first = RandomModel(*grid.environment, 1), second = RandomModel(*grid.environment, 2, 4.0);
  auto evaluator = Evaluator(*grid.environment, *first.policy);
  const auto a = evaluator->LogDistribution(*first.policy);
  const auto b = evaluator->LogDistribution(*second.policy);
  const auto again = evaluator->LogDistribution(*first.policy);
  EXPECT_EQ(*a, *again);
  EXPECT_GT(CompareDistributions(*a, *b)->total_variation, 0.01);
}

TEST(ExactDistributionTest, PolicyThatIsNotANumberIsRefused) {
  const Problem grid = Grid(4, 2);
  Model model = RandomModel(*grid.environment, 1);
  model.parameters->values().fill_(std::numeric_limits<float>::quiet_NaN());
  const auto log_p = Evaluator(*grid.environment, *model.policy)->LogDistribution(*model.policy);
  ASSERT_FALSE(log_p.ok());
  EXPECT_THAT(std::string(log_p.status().message()), HasSubstr("in state 0"));
}

TEST(ExactDistributionTest, EnvironmentTooLargeToEnumerateIsRefusedByName) {
  const auto environment = Hypergrid::Create({40, 8}).value();
  const auto evaluator = ExactEvaluator::Create(*environment, environment->spec().observations[0]);
  EXPECT_EQ(evaluator.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(evaluator.status().message()), HasSubstr("dimensions=40 side=8"));
}

TEST(TransitionTableTest, HypergridHasTheEdgesOfAGrid) {
  const Problem grid = Grid(8, 2);
  const TransitionTable& table = grid.table;
  ASSERT_EQ(table.num_states, 64);
  int64_t edges = 0;
  for (const int32_t child : table.children) edges += child >= 0;
  EXPECT_EQ(edges, 2 * 7 * 8);
  EXPECT_EQ(table.num_parents[0], 0);
  EXPECT_EQ(table.num_parents[63], 2);
  EXPECT_EQ(grid.objects[63], "7 7");
  for (const uint8_t terminal : table.terminal) EXPECT_EQ(terminal, 1);
}

}  // namespace
}  // namespace anabranch
