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

ValueTransform Clip(double low, double high) {
  ValueTransform transform;
  transform.clip_min = low;
  transform.clip_max = high;
  return transform;
}

template <typename Desirability>
ValueTransform Desire(Desirability desirability) {
  ValueTransform transform;
  transform.desirability = desirability;
  return transform;
}

TEST(DesirabilityTest, MinMaxIsStraightBetweenItsEndsAndFlatBeyond) {
  const ValueTransform up = Desire(MinMaxDesirability{2, 6});
  const ValueTransform down = Desire(MinMaxDesirability{6, 2});
  const double values[] = {-1e308, 2, 3, 5, 6, 1e308}, expected[] = {0, 0, 0.25, 0.75, 1, 1};
  for (int i = 0; i < 6; ++i) {
    EXPECT_DOUBLE_EQ(up.Apply(values[i]), expected[i]) << values[i];
    EXPECT_DOUBLE_EQ(down.Apply(values[i]), 1 - expected[i]) << values[i];
  }
  EXPECT_DOUBLE_EQ(Desire(MinMaxDesirability{-1.7e308, 1.7e308}).Apply(0), 0.5)
      << "the range of a double overflows a double";
}

TEST(DesirabilityTest, SigmoidIsHalfAtItsMidpointAndTurnsWithItsSlope) {
  const ValueTransform sigmoid = Desire(SigmoidDesirability{3, 2});
  EXPECT_DOUBLE_EQ(sigmoid.Apply(3), 0.5);
  EXPECT_DOUBLE_EQ(sigmoid.Apply(3.5), 1 / (1 + std::exp(-1.0)));
  EXPECT_DOUBLE_EQ(sigmoid.Apply(2.5) + sigmoid.Apply(3.5), 1);
  EXPECT_DOUBLE_EQ(Desire(SigmoidDesirability{3, -2}).Apply(2.5), sigmoid.Apply(3.5));
  EXPECT_EQ(sigmoid.Apply(1e308), 1);
  EXPECT_EQ(sigmoid.Apply(-1e308), 0);
}

TEST(DesirabilityTest, GaussianIsOneAtItsTarget) {
  const ValueTransform gaussian = Desire(GaussianDesirability{-7, 0.5});
  EXPECT_EQ(gaussian.Apply(-7), 1);
  EXPECT_DOUBLE_EQ(gaussian.Apply(-6.5), std::exp(-0.5));
  EXPECT_DOUBLE_EQ(gaussian.Apply(-7.5), std::exp(-0.5));
  EXPECT_EQ(gaussian.Apply(1e308), 0);
}

TEST(RewardShapingTest, ValuesAreClippedBeforeAllElse) {
  RewardShapingOptions options;
  options.objectives = {{"dock", 1.0, true, Clip(0, 12)}};
  ShapedRewards out;
  ASSERT_EQ(RewardShaping::Create(options)->Shape(Values({-5.0, 3.0, 40.0}), out),
            absl::OkStatus());
  EXPECT_EQ(out.log_rewards, (std::vector<double>{-100, std::log(3.0), std::log(12.0)}));
  options.objectives[0].transform.desirability = MinMaxDesirability{0, 24};
  ASSERT_EQ(RewardShaping::Create(options)->Shape(Values({40.0}), out), absl::OkStatus());
  EXPECT_DOUBLE_EQ(out.log_rewards[0], std::log(0.5)) << "12 of 24, not 40";
}

TEST(RewardShapingTest, AMinimisedAffinityBecomesARewardByItsDesirability) {
  RewardShapingOptions options;
  options.exponent = 8;
  options.objectives = {{"affinity", 1.0, true, Desire(MinMaxDesirability{0, -12})}};
  ShapedRewards out;
  ASSERT_EQ(RewardShaping::Create(options)->Shape(Values({-9.0, 1.0}), out), absl::OkStatus());
  EXPECT_DOUBLE_EQ(out.log_rewards[0], 8 * std::log(0.75));
  EXPECT_DOUBLE_EQ(out.log_rewards[1], -100);
}

TEST(RewardShapingTest, ScalarisationsAreWhatTheirNamesSay) {
  RewardShapingOptions options;
  options.exponent = 2;
  options.objectives = {{"a", 1.0, true}, {"b", 3.0, true}, {"ignored", 0.0, true}};
  const RewardColumns raw = Values({4.0, 0.5, 9.0, 0.0, 5.0, 9.0}, 3);
  ShapedRewards out;
  ASSERT_EQ(RewardShaping::Create(options)->Shape(raw, out), absl::OkStatus());
  EXPECT_DOUBLE_EQ(out.log_rewards[0], 2 * std::log(4.0 + 3 * 0.5));
  options.scalarisation = Scalarisation::kProduct;
  ASSERT_EQ(RewardShaping::Create(options)->Shape(raw, out), absl::OkStatus());
  EXPECT_DOUBLE_EQ(out.log_rewards[0], 2 * std::log(4.0 * 0.5 * 0.5 * 0.5));
  EXPECT_EQ(out.log_rewards[1], -100) << "one factor of 0 is enough";
  options.scalarisation = Scalarisation::kGeometricMean;
  ASSERT_EQ(RewardShaping::Create(options)->Shape(raw, out), absl::OkStatus());
  EXPECT_DOUBLE_EQ(out.log_rewards[0], 2 * std::log(std::pow(4.0 * 0.125, 0.25)));
  EXPECT_EQ(out.log_rewards[1], -100);
}

TEST(RewardShapingTest, TheGeometricMeanOfEqualValuesIsThatValueWhateverTheWeights) {
  RewardShapingOptions options;
  options.scalarisation = Scalarisation::kGeometricMean;
  options.objectives = {{"a", 0.3, true}, {"b", 7.0, true}, {"c", 1.1, true}};
  ShapedRewards out;
  ASSERT_EQ(RewardShaping::Create(options)->Shape(Values({0.2, 0.2, 0.2}, 3), out),
            absl::OkStatus());
  EXPECT_NEAR(out.log_rewards[0], std::log(0.2), 1e-14);
}

TEST(RewardShapingTest, TransformsAndScalarisationsAreInTheHash) {
  RewardShapingOptions base = OneObjective(RewardScale::kLinear);
  std::set<std::string> hashes = {RewardShaping::Create(base)->hash()};
  const ValueTransform transforms[] = {
      Clip(0, INFINITY),
      Clip(-INFINITY, 0),
      Clip(0, 0),
      Desire(MinMaxDesirability{0, 1}),
      Desire(MinMaxDesirability{1, 0}),
      Desire(SigmoidDesirability{0, 1}),
      Desire(SigmoidDesirability{0, 1.0000001}),
      Desire(GaussianDesirability{0, 1}),
  };
  for (const ValueTransform& transform : transforms) {
    RewardShapingOptions options = base;
    options.objectives[0].transform = transform;
    hashes.insert(RewardShaping::Create(options)->hash());
  }
  for (const auto scalarisation : {Scalarisation::kProduct, Scalarisation::kGeometricMean}) {
    RewardShapingOptions options = base;
    options.scalarisation = scalarisation;
    hashes.insert(RewardShaping::Create(options)->hash());
  }
  EXPECT_EQ(hashes.size(), 11u);
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
  const auto transform = [&refused](const ValueTransform& bad) {
    return refused([&bad](auto& o) { o.objectives[0].transform = bad; });
  };
  EXPECT_NE(transform(Clip(1, 0)).find("objectives[reward].clip_max is 0"), std::string::npos);
  EXPECT_NE(transform(Clip(NAN, 0)).find("clip_min is nan"), std::string::npos);
  EXPECT_NE(transform(Desire(MinMaxDesirability{1, 1})).find("min_max.to is 1"), std::string::npos);
  EXPECT_NE(transform(Desire(SigmoidDesirability{1, 0})).find("slope is 0"), std::string::npos);
  EXPECT_NE(transform(Desire(GaussianDesirability{1, 0})).find("width is 0"), std::string::npos);
  EXPECT_NE(refused([](auto& o) {
              o.scale = RewardScale::kLog;
              o.objectives[0].maximize = false;
              o.objectives[0].transform = Desire(MinMaxDesirability{0, 1});
            }).find("direction"),
            std::string::npos);
  EXPECT_NE(refused([](auto& o) {
              o.scale = RewardScale::kLog;
              o.scalarisation = Scalarisation::kProduct;
            }).find("scalarisation"),
            std::string::npos);
}

}  // namespace
}  // namespace anabranch
