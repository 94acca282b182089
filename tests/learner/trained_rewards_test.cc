#include "learner/trained_rewards.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace anabranch {
namespace {

TEST(TrainedRewards, QuantilesAreValuesThatWereSeen) {
  TrainedRewards rewards;
  rewards.Add(std::vector<float>{5, 1, 4, 2, 3});
  rewards.Add(std::vector<float>{10, 9, 8, 7, 6});
  EXPECT_DOUBLE_EQ(rewards.Mean(), 5.5);
  EXPECT_DOUBLE_EQ(rewards.Quantile(0), 1);
  EXPECT_DOUBLE_EQ(rewards.Quantile(0.1), 1);
  EXPECT_DOUBLE_EQ(rewards.Quantile(0.5), 5);
  EXPECT_DOUBLE_EQ(rewards.Quantile(0.9), 9);
  EXPECT_DOUBLE_EQ(rewards.Quantile(1), 10);
}

TEST(TrainedRewards, TheNewestCountWhereThereAreTooMany) {
  TrainedRewards rewards(3);
  rewards.Add(std::vector<float>{100, 200, 1, 2, 3, 4});
  EXPECT_EQ(rewards.size(), 3);
  EXPECT_DOUBLE_EQ(rewards.Quantile(0), 2);
  EXPECT_DOUBLE_EQ(rewards.Mean(), 3);
  rewards.Clear();
  rewards.Add(std::vector<float>{7, 8, 9, 10});
  EXPECT_DOUBLE_EQ(rewards.Mean(), 9);
}

TEST(TrainedRewards, NothingSeenIsNothingSaid) {
  TrainedRewards rewards;
  nlohmann::ordered_json line = nlohmann::ordered_json::object();
  rewards.AddTo(line);
  EXPECT_TRUE(line.empty());
  rewards.Add(std::vector<float>{-2});
  rewards.AddTo(line);
  EXPECT_EQ(line["trained_log_reward"]["p90"], -2);
  EXPECT_EQ(line["trained_log_reward"]["max"], -2);
}

}  // namespace
}  // namespace anabranch
