#include "gflownet/evaluation/modes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gflownet/environment/hypergrid_reward.h"

namespace anabranch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The mode coordinates of a side of 8 are 1 and 6.
std::unique_ptr<HypergridReward> EightSquaredReward() {
  return HypergridReward::Create({2, 8}, {}).value();
}

TEST(ModeTrackerTest, EachModeCountsOnceAndOtherObjectsNot) {
  const auto reward = EightSquaredReward();
  ModeTracker modes(*reward);
  EXPECT_EQ(modes.num_modes(), 4);
  modes.Add(std::vector<std::string>{"1 1", "0 0", "1 1", "7 7", "not a cell"});
  EXPECT_EQ(modes.num_found(), 1);
  modes.Add(std::vector<std::string>{"6 1", "1 6"});
  EXPECT_EQ(modes.num_found(), 3);
  modes.Add(std::vector<std::string>{"6 6", "6 1"});
  EXPECT_THAT(modes.Found(), ElementsAre(0, 1, 2, 3));
}

TEST(ModeTrackerTest, GoesOnFromWhatItHadFound) {
  const auto reward = EightSquaredReward();
  ModeTracker before(*reward), after(*reward);
  before.Add(std::vector<std::string>{"6 6", "1 1"});
  ASSERT_TRUE(after.Restore(before.Found()).ok());
  EXPECT_EQ(after.num_found(), 2);
  after.Add(std::vector<std::string>{"1 1", "1 6"});
  EXPECT_EQ(after.num_found(), 3);
}

TEST(ModeTrackerTest, ModeThatTheRewardHasNotIsRefusedAndChangesNothing) {
  const auto reward = EightSquaredReward();
  ModeTracker modes(*reward);
  modes.Add(std::vector<std::string>{"1 1"});
  const absl::Status status = modes.Restore(std::vector<int64_t>{2, 4});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("found[1] is mode 4"));
  EXPECT_THAT(modes.Found(), ElementsAre(0));
}

TEST(UniqueObjectsTest, RepeatedObjectsCountOnce) {
  UniqueObjects unique;
  const std::vector<ObjectKey> keys = {ObjectKey::Of("a"), ObjectKey::Of("b"), ObjectKey::Of("a")};
  unique.Add(keys);
  unique.Add(keys);
  EXPECT_EQ(unique.count(), 2);
}

}  // namespace
}  // namespace anabranch
