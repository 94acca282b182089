#include "gflownet/environment/sequence.h"

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "gflownet/environment/sequence_reward.h"
#include "gtest/gtest.h"

namespace anabranch {
namespace {

TEST(SequenceTest, RefusesAVocabularyThatDecodesInTwoWays) {
  auto refused = [](std::vector<std::string> vocabulary) {
    SequenceOptions options;
    options.vocabulary = std::move(vocabulary);
    options.max_length = 3;
    return Sequence::Create(options).status();
  };
  EXPECT_EQ(refused({"A", "C"}), absl::OkStatus());
  for (const auto& bad : {std::vector<std::string>{}, {"A", "AA"}, {"A", "A"}, {""}}) {
    const absl::Status status = refused(bad);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find("environment.sequence.alphabet"), std::string::npos) << status;
  }
}

TEST(SequenceTest, ObjectsThatAreNoTerminalStateAreRefusedByIndex) {
  auto env = Sequence::Create({{"A", "C"}, 2, 3, SequenceGrowth::kAppend});
  ASSERT_TRUE(env.ok());
  for (const std::string bad : {"A", "ACAC", "AX", ""}) {
    const std::vector<std::string> objects = {"AC", bad};
    const absl::Status status = (*env)->FromObjects(objects).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_NE(status.message().find("objects[1]"), std::string::npos) << status;
  }
}

TEST(SequenceTest, PromptsAreRefusedByAnEnvironmentThatTakesNone) {
  auto env = Sequence::Create({{"A", "C"}, 0, 3, SequenceGrowth::kAppend});
  ASSERT_TRUE(env.ok());
  const std::vector<std::string> prompts = {"A"};
  const Environment& environment = **env;
  EXPECT_EQ(environment.Initial(1, prompts).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(SequenceTest, ALargeSpaceIsNotEnumerated) {
  auto env = Sequence::Create({{"0", "1"}, 120, 120, SequenceGrowth::kAppend});
  ASSERT_TRUE(env.ok());
  EXPECT_EQ((*env)->state_space(), nullptr);
}

TEST(SequenceRewardTest, BitModesAreDistinctBlocksAndSeeded) {
  SequenceRewardOptions options;
  options.blocks = BitSequenceBlocks();
  options.length = 120;
  auto reward = SequenceReward::Create(options);
  ASSERT_TRUE(reward.ok()) << reward.status();
  const std::vector<std::string>& modes = (*reward)->modes();
  EXPECT_EQ(std::set(modes.begin(), modes.end()).size(), 60u);
  for (const std::string& mode : modes) {
    ASSERT_EQ(mode.size(), 120u);
    for (size_t i = 0; i < mode.size(); i += 8) {
      const auto blocks = BitSequenceBlocks();
      EXPECT_NE(std::find(blocks.begin(), blocks.end(), mode.substr(i, 8)), blocks.end());
    }
  }
  options.seed = 1;
  EXPECT_NE((*SequenceReward::Create(options))->modes(), modes);
}

TEST(SequenceRewardTest, DrawsEveryModeThereIsWithoutReplacement) {
  SequenceRewardOptions options;
  options.blocks = {"A", "C"};
  options.length = 3;
  options.num_modes = 8;
  auto reward = SequenceReward::Create(options);
  ASSERT_TRUE(reward.ok());
  EXPECT_EQ(std::set((*reward)->modes().begin(), (*reward)->modes().end()).size(), 8u);
  options.num_modes = 9;
  EXPECT_EQ(SequenceReward::Create(options).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(SequenceRewardTest, CountsFlipsAndMissingLetters) {
  SequenceRewardOptions options;
  options.blocks = {"A", "C"};
  options.length = 6;
  options.num_modes = 1;
  options.scale = 2;
  options.found_distance = 2;
  auto reward = SequenceReward::Create(options);
  ASSERT_TRUE(reward.ok());
  const std::string mode = (*reward)->modes()[0];
  std::string flipped = mode;
  flipped[0] = flipped[0] == 'A' ? 'C' : 'A';
  flipped[3] = flipped[3] == 'A' ? 'C' : 'A';
  const std::vector<std::string> objects = {mode, flipped, mode.substr(0, 5), ""};
  RewardColumns columns;
  (*reward)->Evaluate(objects, columns);
  EXPECT_EQ(columns.values, (std::vector<double>{0, -1, -0.5, -3}));
  EXPECT_EQ((*reward)->ModeOf(objects[0]), 0);
  EXPECT_EQ((*reward)->ModeOf(objects[1]), -1);
  EXPECT_EQ((*reward)->ModeOf(objects[2]), 0);
}

}  // namespace
}  // namespace anabranch
