#include "gflownet/environment/sequence.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gflownet/environment/sequence_reward.h"
#include "gflownet/random.h"
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

std::string FingerprintOf(std::vector<std::string> vocabulary) {
  SequenceOptions options;
  options.vocabulary = std::move(vocabulary);
  options.max_length = 3;
  return (*Sequence::Create(options))->spec().fingerprint;
}

TEST(SequenceTest, FingerprintSpellsOutAPlainVocabulary) {
  EXPECT_EQ(FingerprintOf({"A", "C"}),
            "sequence/1.0.0 vocabulary=A,C min_length=0 max_length=3 growth=append");
}

TEST(SequenceTest, FingerprintTellsVocabulariesApartAndIsText) {
  std::vector<std::string> many, more;
  for (char c = 0; c < 65; ++c) many.push_back({'t', static_cast<char>('0' + c)});
  more = many;
  std::swap(more[0], more[64]);
  const std::vector<std::string> all[] = {{"a", "b"}, {"b", "a"}, {"a,b"}, {" ", "b"}, {"a b"},
                                          {"\xff"},   {"\n"},     {","},   many,       more};
  std::set<std::string> seen;
  for (const auto& vocabulary : all) {
    const std::string fingerprint = FingerprintOf(vocabulary);
    EXPECT_TRUE(seen.insert(fingerprint).second) << fingerprint;
    for (const char c : fingerprint) EXPECT_TRUE(c >= ' ' && c <= '~') << fingerprint;
    EXPECT_LT(fingerprint.size(), 250u);
  }
}

TEST(SequenceTest, AHugeObjectOfAnythingGetsAShortMessageOfText) {
  auto env = Sequence::Create({{"A", "C"}, 2, 3, SequenceGrowth::kAppend});
  ASSERT_TRUE(env.ok());
  const std::vector<std::string> objects = {std::string(1 << 20, '\xff')};
  const absl::Status status = (*env)->FromObjects(objects).status();
  EXPECT_LT(status.message().size(), 1000u);
  for (const char c : status.message()) ASSERT_NE(c, '\xff');
  EXPECT_NE(status.message().find("(1048576 bytes)"), std::string::npos) << status;
}

TEST(SequenceTest, ActionNamesSayWhatTheyDo) {
  auto env = Sequence::Create({{"A", "C"}, 0, 3, SequenceGrowth::kPrependOrAppend});
  ASSERT_TRUE(env.ok());
  EXPECT_EQ((*env)->ActionName(1), "append C");
  EXPECT_EQ((*env)->ActionName(2), "prepend A");
  EXPECT_EQ((*env)->ActionName(4), "stop");
}

TEST(SequenceTest, LengthsThatMeanNothingAreRefusedByName) {
  auto refused = [](int64_t min_length, int64_t max_length) {
    return std::string(Sequence::Create({{"A"}, min_length, max_length, SequenceGrowth::kAppend})
                           .status()
                           .message());
  };
  EXPECT_NE(refused(0, 0).find("max_length is 0"), std::string::npos);
  EXPECT_NE(refused(0, 1 << 30).find("max_length is 1073741824"), std::string::npos);
  EXPECT_NE(refused(-1, 3).find("min_length is -1"), std::string::npos);
  EXPECT_NE(refused(4, 3).find("min_length is 4"), std::string::npos);
}

TEST(SequenceRewardTest, AgreesWithCountingLetterByLetter) {
  RandomStream random(17, 0);
  for (const int64_t length : {1, 5, 64, 120, 255, 256, 600}) {
    SequenceRewardOptions options;
    options.blocks = {"A", "C", "\xff"};
    options.length = length;
    options.num_modes = 3;
    auto reward = SequenceReward::Create(options);
    ASSERT_TRUE(reward.ok()) << reward.status();
    std::vector<std::string> objects = {std::string(length, 'X')};  // The greatest distance.
    for (int i = 0; i < 20; ++i) {
      std::string& object = objects.emplace_back();  // Shorter and longer ones, too.
      while (random.NextBelow(length + 1) > 0) object += "ACGT"[random.NextBelow(4)];
    }
    RewardColumns columns;
    (*reward)->Evaluate(objects, columns);
    for (size_t i = 0; i < objects.size(); ++i) {
      size_t nearest = 1 << 20;
      for (const std::string& mode : (*reward)->modes()) {
        size_t distance = std::max(mode.size(), objects[i].size());
        for (size_t p = 0; p < std::min(mode.size(), objects[i].size()); ++p) {
          distance -= mode[p] == objects[i][p];
        }
        nearest = std::min(nearest, distance);
      }
      EXPECT_EQ(columns.values[i], -static_cast<double>(nearest)) << length << " " << objects[i];
    }
  }
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

TEST(SequenceRewardTest, EveryParameterIsInTheFingerprint) {
  SequenceRewardOptions base;
  base.blocks = {"A", "C"};
  base.length = 6;
  base.num_modes = 2;
  std::vector<SequenceRewardOptions> all(7, base);
  all[1].blocks = {"C", "A"};
  all[2].length = 7;
  all[3].num_modes = 3;
  all[4].seed = 1;
  all[5].scale = 1.0000000001;
  all[6].found_distance = 2;
  std::set<std::string> fingerprints;
  for (const auto& options : all) {
    auto reward = SequenceReward::Create(options);
    ASSERT_TRUE(reward.ok()) << reward.status();
    fingerprints.insert((*reward)->fingerprint());
  }
  EXPECT_EQ(fingerprints.size(), all.size());
}

TEST(SequenceRewardTest, OptionsThatMeanNothingAreRefusedByName) {
  auto refused = [](auto change) {
    SequenceRewardOptions options;
    options.blocks = {"A", "C"};
    options.length = 6;
    options.num_modes = 2;
    change(options);
    return std::string(options.Validate().message());
  };
  auto names = [](const std::string& message, const std::string& field) {
    return message.find(field + " is ") != std::string::npos;
  };
  EXPECT_EQ(refused([](auto&) {}), "");
  EXPECT_TRUE(names(refused([](auto& o) { o.blocks.clear(); }), "blocks"));
  EXPECT_TRUE(names(refused([](auto& o) { o.blocks = {"A", "CC"}; }), "blocks"));
  EXPECT_TRUE(names(refused([](auto& o) { o.blocks = {"A", "A"}; }), "blocks"))
      << "two of its modes would be drawn for ever";
  EXPECT_TRUE(names(refused([](auto& o) { o.length = 0; }), "length"));
  EXPECT_TRUE(names(refused([](auto& o) { o.length = int64_t{1} << 40; }), "length"));
  EXPECT_TRUE(names(refused([](auto& o) { o.num_modes = 0; }), "modes"));
  EXPECT_TRUE(names(refused([](auto& o) {
                      o.length = 2000;
                      o.num_modes = int64_t{1} << 50;
                    }),
                    "modes"));
  EXPECT_TRUE(names(refused([](auto& o) { o.scale = 0; }), "scale"));
  EXPECT_TRUE(names(refused([](auto& o) { o.found_distance = 0; }), "found_distance"));
}

}  // namespace
}  // namespace anabranch
