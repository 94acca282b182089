#include "gflownet/reward_shaping/reward_shaping.h"

#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace anabranch {
namespace {

RewardShapingOptions OneObjective(RewardScale scale) {
  RewardShapingOptions options;
  options.scale = scale;
  options.objectives = {{"reward", 1.0, true}};
  return options;
}

RewardColumns Values(std::vector<double> values, int64_t objectives = 1) {
  RewardColumns raw;
  raw.num_objectives = objectives;
  raw.valid.assign(values.size(), 1);
  raw.status.assign(values.size() / objectives, ObjectStatus::kOk);
  raw.values = std::move(values);
  return raw;
}

TEST(RewardShapingTest, LinearIsLogOfTheRewardTimesBeta) {
  auto options = OneObjective(RewardScale::kLinear);
  options.exponent = 3;
  auto shaping = RewardShaping::Create(options);
  ASSERT_TRUE(shaping.ok());
  ShapedRewards out;
  ASSERT_EQ(shaping->Shape(Values({1.0, 2.0, 0.0}), out), absl::OkStatus());
  EXPECT_DOUBLE_EQ(out.log_rewards[0], 0.0);
  EXPECT_DOUBLE_EQ(out.log_rewards[1], 3 * std::log(2.0));
  EXPECT_DOUBLE_EQ(out.log_rewards[2], -100.0) << "a reward of 0 is the floor";
  EXPECT_EQ(out.used, (std::vector<uint8_t>{1, 1, 1}));
}

TEST(RewardShapingTest, LogScaleTakesMinimisedObjectivesWithAMinus) {
  RewardShapingOptions options;
  options.scale = RewardScale::kLog;
  options.exponent = 2;
  options.objectives = {{"affinity", 0.5, true}, {"toxicity", 3.0, false}};
  auto shaping = RewardShaping::Create(options);
  ASSERT_TRUE(shaping.ok());
  ShapedRewards out;
  ASSERT_EQ(shaping->Shape(Values({4.0, 1.0}, 2), out), absl::OkStatus());
  EXPECT_DOUBLE_EQ(out.log_rewards[0], 2 * (0.5 * 4.0 - 3.0 * 1.0));
}

TEST(RewardShapingTest, InvalidIsNotRewardZero) {
  auto options = OneObjective(RewardScale::kLinear);
  RewardColumns raw = Values({1.0, 5.0, 7.0});
  raw.status = {ObjectStatus::kOk, ObjectStatus::kInvalid, ObjectStatus::kFailed};
  ShapedRewards out;
  ASSERT_EQ(RewardShaping::Create(options)->Shape(raw, out), absl::OkStatus());
  EXPECT_EQ(out.used, (std::vector<uint8_t>{1, 0, 0}));
  options.invalid = InvalidPolicy::kFloor;
  options.min_log_reward = -7;
  ASSERT_EQ(RewardShaping::Create(options)->Shape(raw, out), absl::OkStatus());
  EXPECT_EQ(out.used, (std::vector<uint8_t>{1, 1, 0}))
      << "a failed evaluation has no reward at all";
  EXPECT_DOUBLE_EQ(out.log_rewards[1], -7);
}

TEST(RewardShapingTest, AMissingValueThatCountsLeavesTheObjectOut) {
  RewardShapingOptions options;
  options.objectives = {{"a", 1.0, true}, {"b", 0.0, true}};
  RewardColumns raw = Values({1.0, 2.0, 3.0, 4.0}, 2);
  raw.valid = {0, 1, 1, 0};
  ShapedRewards out;
  ASSERT_EQ(RewardShaping::Create(options)->Shape(raw, out), absl::OkStatus());
  EXPECT_EQ(out.used, (std::vector<uint8_t>{0, 1})) << "b has weight 0 and may be missing";
  EXPECT_DOUBLE_EQ(out.log_rewards[1], std::log(3.0));
}

TEST(RewardShapingTest, NonFiniteValuesAreRefusedByObjectAndObjective) {
  auto shaping = RewardShaping::Create(OneObjective(RewardScale::kLinear));
  ShapedRewards out;
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity(), -2.0}) {
    const absl::Status status = shaping->Shape(Values({1.0, bad}), out);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find("object 1, objective reward"), std::string::npos) << status;
  }
}

TEST(RewardShapingTest, ColumnsOfWrongLengthAreRefusedByName) {
  auto shaping = RewardShaping::Create(OneObjective(RewardScale::kLinear));
  ShapedRewards out;
  RewardColumns raw = Values({1.0, 2.0});
  raw.valid.pop_back();
  EXPECT_NE(shaping->Shape(raw, out).message().find("valid has 1"), std::string::npos);
  raw = Values({1.0, 2.0});
  raw.values.push_back(3.0);
  EXPECT_NE(shaping->Shape(raw, out).message().find("values has 3"), std::string::npos);
  raw = Values({1.0, 2.0});
  raw.reasons = {"one too few"};
  EXPECT_NE(shaping->Shape(raw, out).message().find("reasons has 1 entries where 2"),
            std::string::npos);
  raw = Values({1.0, 2.0}, 2);
  EXPECT_NE(shaping->Shape(raw, out).message().find("2 objectives"), std::string::npos);
}

TEST(RewardShapingTest, FiniteValuesWhoseSumIsNotAreRefusedByObject) {
  RewardShapingOptions options;
  options.exponent = 10;
  options.objectives = {{"a", 10.0, true}, {"b", 10.0, true}};
  ShapedRewards out;
  const RewardColumns raw = Values({1.0, 1.0, 1e308, 1e308}, 2);
  absl::Status status = RewardShaping::Create(options)->Shape(raw, out);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("object 1 is inf"), std::string::npos) << status;
  options.scale = RewardScale::kLog;
  options.objectives[1].maximize = false;
  status = RewardShaping::Create(options)->Shape(raw, out);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << "inf − inf is no number";
  EXPECT_NE(status.message().find("object 1"), std::string::npos) << status;
}

TEST(RewardShapingTest, NothingFallsBelowTheFloor) {
  auto options = OneObjective(RewardScale::kLog);
  options.exponent = 10;
  options.min_log_reward = -50;
  ShapedRewards out;
  ASSERT_EQ(RewardShaping::Create(options)->Shape(Values({-4.0, -5.5, -1e308}), out),
            absl::OkStatus());
  EXPECT_EQ(out.log_rewards, (std::vector<double>{-40, -50, -50}));
}

TEST(RewardShapingTest, NoObjectsAreNoError) {
  ShapedRewards out;
  out.log_rewards = {1.0};
  out.used = {1};
  ASSERT_EQ(RewardShaping::Create(OneObjective(RewardScale::kLinear))->Shape(Values({}), out),
            absl::OkStatus());
  EXPECT_TRUE(out.log_rewards.empty() && out.used.empty());
}

TEST(RewardShapingTest, EveryOptionIsInTheHash) {
  RewardShapingOptions base = OneObjective(RewardScale::kLinear);
  std::vector<RewardShapingOptions> all(8, base);
  all[1].scale = RewardScale::kLog;
  all[2].exponent = 1.0000000001;
  all[3].min_log_reward = -99;
  all[4].invalid = InvalidPolicy::kFloor;
  all[5].objectives[0].name = "other";
  all[6].objectives[0].weight = 2;
  all[7].objectives.push_back({"second", 1.0, true});
  std::set<std::string> hashes;
  for (const auto& options : all) hashes.insert(RewardShaping::Create(options)->hash());
  EXPECT_EQ(hashes.size(), all.size());
  EXPECT_EQ(RewardShaping::Create(base)->hash(), RewardShaping::Create(base)->hash());
  EXPECT_EQ(RewardShaping::Create(base)->hash(), "d5ba7dd955514de31422f246cef324dc")
      << "pinned: it stands in stored data";
}

TEST(RewardShapingTest, OptionsThatMeanNothingAreRefusedByName) {
  auto refused = [](auto change) {
    RewardShapingOptions options = OneObjective(RewardScale::kLinear);
    change(options);
    return std::string(RewardShaping::Create(options).status().message());
  };
  EXPECT_NE(refused([](auto& o) { o.exponent = 0; }).find("exponent"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.min_log_reward = -INFINITY; }).find("min_log_reward"),
            std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.objectives.clear(); }).find("objectives"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.objectives[0].weight = -1; }).find("weight"),
            std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.objectives[0].weight = 0; }).find("weights of 0"),
            std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.objectives[0].maximize = false; }).find("minimize"),
            std::string::npos);
}

}  // namespace
}  // namespace anabranch
