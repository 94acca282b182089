// A hypergrid with its reward, as the tests of this folder need it.
#ifndef ANABRANCH_TESTS_GFLOWNET_EVALUATION_GRID_PROBLEM_H_
#define ANABRANCH_TESTS_GFLOWNET_EVALUATION_GRID_PROBLEM_H_

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "gflownet/environment/hypergrid.h"
#include "gflownet/environment/hypergrid_reward.h"
#include "gflownet/evaluation/transition_table.h"

namespace anabranch {

struct GridProblem {
  GridProblem(int64_t side, int64_t dimensions, double r0 = 0.1) {
    const HypergridOptions options{dimensions, side};
    environment = Hypergrid::Create(options).value();
    reward = HypergridReward::Create(options, {r0, 0.5, 2.0}).value();
    table = BuildTransitionTable(*environment).value();
    objects = TerminalObjects(*environment, table);
    RewardColumns columns;
    reward->Evaluate(objects, columns);
    for (const double value : columns.values) log_rewards.push_back(std::log(value));
  }

  std::unique_ptr<Hypergrid> environment;
  std::unique_ptr<HypergridReward> reward;
  TransitionTable table;
  std::vector<std::string> objects;
  std::vector<double> log_rewards;
};

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_GFLOWNET_EVALUATION_GRID_PROBLEM_H_
