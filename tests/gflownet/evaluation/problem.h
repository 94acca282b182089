// Environments small enough to know everything about, with their rewards.
#ifndef ANABRANCH_TESTS_GFLOWNET_EVALUATION_PROBLEM_H_
#define ANABRANCH_TESTS_GFLOWNET_EVALUATION_PROBLEM_H_

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gflownet/environment/hypergrid.h"
#include "gflownet/environment/hypergrid_reward.h"
#include "gflownet/environment/sequence.h"
#include "gflownet/environment/sequence_reward.h"
#include "gflownet/evaluation/transition_table.h"

namespace anabranch {

struct Problem {
  Problem(std::unique_ptr<Environment> e, std::unique_ptr<RewardFunction> r)
      : environment(std::move(e)), reward(std::move(r)) {
    table = BuildTransitionTable(*environment).value();
    objects = TerminalObjects(*environment, table);
    RewardColumns columns;
    reward->Evaluate(objects, columns);
    const bool is_log = reward->objectives()[0].is_log;
    for (int64_t s = 0; s < table.num_states; ++s) {
      const double value = is_log ? columns.values[s] : std::log(columns.values[s]);
      log_rewards.push_back(table.terminal[s] ? value : -std::numeric_limits<double>::infinity());
    }
  }

  std::unique_ptr<Environment> environment;
  std::unique_ptr<RewardFunction> reward;
  TransitionTable table;
  std::vector<std::string> objects;
  std::vector<double> log_rewards;
};

inline Problem Grid(int64_t side, int64_t dimensions, double r0 = 0.1) {
  const HypergridOptions options{dimensions, side};
  return {Hypergrid::Create(options).value(),
          HypergridReward::Create(options, {r0, 0.5, 2.0}).value()};
}

// Alphabet ACGT; the reward falls with the distance from one of three hidden sequences.
inline Problem Sequences(SequenceGrowth growth, int64_t min_length, int64_t max_length) {
  SequenceOptions options;
  options.vocabulary = {"A", "C", "G", "T"};
  options.min_length = min_length;
  options.max_length = max_length;
  options.growth = growth;
  SequenceRewardOptions reward;
  reward.blocks = options.vocabulary;
  reward.length = max_length;
  reward.num_modes = 3;
  reward.found_distance = 1;
  return {Sequence::Create(options).value(), SequenceReward::Create(reward).value()};
}

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_GFLOWNET_EVALUATION_PROBLEM_H_
