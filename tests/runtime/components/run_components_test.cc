#include "runtime/components/run_components.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "runtime/config.h"

namespace anabranch {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<RunComponents> Make(const std::string& yaml) {
  const auto config =
      ParseRunConfig(absl::StrCat("environment: {hypergrid: {side: 8}}\n", yaml), "run.yaml");
  if (!config.ok()) return config.status();
  return MakeRunComponents(*config);
}

constexpr char kOracles[] =
    "oracles: [{name: dock, grpc: {addresses: ['127.0.0.1:1']}},"
    " {name: lab, grpc: {addresses: ['127.0.0.1:2']}}]";

TEST(RunComponents, OraclesAloneLeaveNoRewardToCompareWith) {
  const auto components =
      Make(absl::StrCat("reward_shaping: {objectives: [{name: affinity}, {name: solubility}]}\n",
                        "reward: {", kOracles, "}\n"));
  ASSERT_TRUE(components.ok()) << components.status();
  EXPECT_EQ(components->reward, nullptr);
  EXPECT_EQ(components->reward_fingerprint, "oracles(dock, lab): affinity, solubility");
  ASSERT_EQ(components->shaping->options().objectives.size(), 2u);
  EXPECT_EQ(components->shaping->options().objectives[1].name, "solubility");
  EXPECT_EQ(components->shaping->options().scale, RewardScale::kLinear);
}

TEST(RunComponents, ARewardBesideOraclesMustComputeTheSameObjectives) {
  const std::string reward = absl::StrCat("reward: {hypergrid: {}, ", kOracles, "}\n");
  const auto same = Make("reward_shaping: {objectives: [{name: reward}]}\n" + reward);
  ASSERT_TRUE(same.ok()) << same.status();
  ASSERT_NE(same->reward, nullptr);
  EXPECT_EQ(same->reward_fingerprint, "oracles(dock, lab): reward");
  const auto other = Make("reward_shaping: {objectives: [{name: affinity}]}\n" + reward);
  EXPECT_EQ(other.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(other.status().message(), HasSubstr("reward_shaping.objectives are affinity, and "));
}

TEST(RunComponents, ShapingIsWhatTheConfigurationSays) {
  const auto components = Make("reward: {" + std::string(kOracles) +
                               "}\n"
                               "reward_shaping: {scalarisation: geometric_mean, objectives: [\n"
                               "  {name: a, weight: 2, clip_min: 0, min_max: {from: 10, to: 0}},\n"
                               "  {name: b, sigmoid: {midpoint: 3, slope: 2}},\n"
                               "  {name: c, gaussian: {target: 1, width: 4}}]}\n");
  ASSERT_TRUE(components.ok()) << components.status();
  RewardShapingOptions expected;
  expected.scalarisation = Scalarisation::kGeometricMean;
  expected.objectives = {{"a", 2.0, true}, {"b", 1.0, true}, {"c", 1.0, true}};
  expected.objectives[0].transform.clip_min = 0;
  expected.objectives[0].transform.desirability = MinMaxDesirability{10, 0};
  expected.objectives[1].transform.desirability = SigmoidDesirability{3, 2};
  expected.objectives[2].transform.desirability = GaussianDesirability{1, 4};
  EXPECT_EQ(components->shaping->hash(), RewardShaping::Create(expected)->hash());
}

}  // namespace
}  // namespace anabranch
