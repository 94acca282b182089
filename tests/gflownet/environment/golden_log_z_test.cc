// The golden numbers of the hypergrid: log Z and mode counts of every published setting.
#include <cmath>
#include <string>
#include <vector>

#include "gflownet/environment/hypergrid.h"
#include "gflownet/environment/hypergrid_reward.h"
#include "gtest/gtest.h"

namespace anabranch {
namespace {

struct Golden {
  int64_t side;
  int64_t dimensions;
  HypergridRewardOptions reward;
  int64_t mode_cells;
  double log_z;
};

const HypergridRewardOptions kHard{1e-4, 1.0, 3.0};

HypergridRewardOptions R0(double r0) { return {r0, 0.5, 2.0}; }

class GoldenLogZTest : public testing::TestWithParam<Golden> {};

TEST_P(GoldenLogZTest, EveryCellSummedExactly) {
  const Golden& golden = GetParam();
  const HypergridOptions options{golden.dimensions, golden.side};
  auto grid = Hypergrid::Create(options);
  ASSERT_TRUE(grid.ok()) << grid.status();
  auto reward = HypergridReward::Create(options, golden.reward);
  ASSERT_TRUE(reward.ok()) << reward.status();
  const StateSpace* space = (*grid)->state_space();
  ASSERT_NE(space, nullptr);
  std::vector<std::string> objects;
  (*grid)->AppendObjects(*space->States(0, space->num_states()), objects);
  RewardColumns columns;
  (*reward)->Evaluate(objects, columns);
  double z = 0;
  int64_t in_modes = 0;
  for (size_t i = 0; i < objects.size(); ++i) {
    ASSERT_EQ(columns.status[i], ObjectStatus::kOk) << objects[i];
    z += columns.values[i];
    in_modes += (*reward)->ModeOf(objects[i]) >= 0;
  }
  EXPECT_NEAR(std::log(z), golden.log_z, 1e-5);
  EXPECT_EQ(in_modes, golden.mode_cells);
  EXPECT_EQ((*reward)->num_modes(), golden.mode_cells);
}

INSTANTIATE_TEST_SUITE_P(
    Hypergrid, GoldenLogZTest,
    testing::Values(Golden{8, 2, R0(0.1), 4, 3.10906}, Golden{8, 2, R0(0.01), 4, 2.81181},
                    Golden{8, 2, R0(0.001), 4, 2.77658}, Golden{8, 4, R0(0.1), 16, 6.34493},
                    Golden{8, 4, R0(0.01), 16, 5.30311}, Golden{8, 4, R0(0.001), 16, 5.10045},
                    Golden{16, 4, R0(0.1), 16, 9.06342}, Golden{16, 4, R0(0.01), 16, 7.91402},
                    Golden{16, 4, R0(0.001), 16, 7.67114}, Golden{20, 4, R0(0.1), 256, 9.97637},
                    Golden{20, 4, R0(0.01), 256, 8.86954}, Golden{20, 4, R0(0.001), 256, 8.64330},
                    Golden{64, 2, R0(0.1), 144, 7.09805}, Golden{64, 2, R0(0.01), 144, 6.73454},
                    Golden{64, 2, R0(0.001), 144, 6.68972}, Golden{8, 2, kHard, 4, 3.33243},
                    Golden{8, 4, kHard, 16, 5.71837}, Golden{16, 4, kHard, 16, 8.33100},
                    Golden{20, 4, kHard, 256, 9.28582}, Golden{64, 2, kHard, 144, 7.28373}),
    [](const testing::TestParamInfo<Golden>& info) {
      std::string name = std::to_string(info.param.side) + "x" +
                         std::to_string(info.param.dimensions) + "_r0_" +
                         std::to_string(info.param.reward.r0);
      for (char& c : name) c = c == '.' ? '_' : c;
      return name;
    });

TEST(HypergridRewardTest, AnObjectThatIsNoCellIsInvalidWithAReason) {
  auto reward = HypergridReward::Create({2, 8}, {});
  ASSERT_TRUE(reward.ok());
  RewardColumns columns;
  const std::vector<std::string> objects = {"1 6", "1 8", "1", "1  6", "01 6", "-1 6", "1 6 2", ""};
  (*reward)->Evaluate(objects, columns);
  EXPECT_EQ(columns.status[0], ObjectStatus::kOk);
  EXPECT_DOUBLE_EQ(columns.values[0], 2.6);
  for (size_t i = 1; i < objects.size(); ++i) {
    EXPECT_EQ(columns.status[i], ObjectStatus::kInvalid) << objects[i];
    EXPECT_EQ(columns.valid[i], 0) << objects[i];
    EXPECT_NE(columns.reasons[i], "") << objects[i];
  }
}

TEST(HypergridRewardTest, FingerprintTellsCloseParametersApart) {
  auto one = HypergridReward::Create({2, 8}, R0(0.1));
  auto other = HypergridReward::Create({2, 8}, R0(0.1000000001));
  ASSERT_TRUE(one.ok() && other.ok());
  EXPECT_NE((*one)->fingerprint(), (*other)->fingerprint());
}

TEST(HypergridRewardTest, RefusesARewardThatIsNotPositive) {
  for (const double r0 : {0.0, -1.0, std::nan("")}) {
    auto reward = HypergridReward::Create({2, 8}, R0(r0));
    ASSERT_EQ(reward.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(reward.status().message().find("environment.hypergrid.r0"), std::string::npos);
  }
}

}  // namespace
}  // namespace anabranch
