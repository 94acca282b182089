// Whether environment and reward make sense, alone and together.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "runtime/config_problems.h"

namespace anabranch {
namespace {

// Beyond these, memory ends before patience does; they catch slipped digits.
constexpr uint64_t kMaxObservationWidth = 1 << 24;
constexpr uint64_t kMaxTokens = 1 << 20;
constexpr uint64_t kMaxSequenceLength = 1 << 20;
constexpr uint64_t kBlockBits = 8;
constexpr double kBlocks = 5;

// min(base^exponent, limit + 1).
uint64_t PowerUpTo(uint64_t base, uint64_t exponent, uint64_t limit) {
  uint64_t power = 1;
  for (uint64_t i = 0; i < exponent && power <= limit; ++i) power *= base;
  return std::min(power, limit + 1);
}

void CheckHypergrid(const v1::HypergridConfig& grid, Problems& problems) {
  const std::string key = "environment.hypergrid.";
  AtLeastOne(grid.dimensions(), key + "dimensions", problems);
  problems.Check(grid.side() >= 2, key + "side", grid.side(), "must be at least 2",
                 "a grid of one cell leaves nothing to choose");
  const uint64_t width = uint64_t{grid.side()} * grid.dimensions();
  problems.Check(width <= kMaxObservationWidth, key + "side",
                 absl::StrCat(grid.side(), " in ", grid.dimensions(), " dimensions"),
                 "more than observations can hold", "lower side or dimensions");
  Positive(grid.r0(), key + "r0", problems);
  NotNegative(grid.r1(), key + "r1", problems);
  NotNegative(grid.r2(), key + "r2", problems);
}

void CheckSequence(const v1::SequenceConfig& sequence, Problems& problems) {
  const std::string key = "environment.sequence.";
  const std::string quoted = absl::StrCat("\"", sequence.alphabet(), "\"");
  const std::set<char> letters(sequence.alphabet().begin(), sequence.alphabet().end());
  bool printable = true;
  for (const char c : sequence.alphabet()) {
    printable = printable && absl::ascii_isgraph(static_cast<unsigned char>(c));
  }
  problems.Check(printable, key + "alphabet", quoted, "with letters that don't print",
                 "use ASCII letters, digits and signs");
  problems.Check(letters.size() >= 2, key + "alphabet", quoted, "must have at least 2 letters",
                 "add letters");
  problems.Check(letters.size() == sequence.alphabet().size(), key + "alphabet", quoted,
                 "with a letter given twice", "give each once");
  AtLeastOne(sequence.max_length(), key + "max_length", problems);
  problems.Check(sequence.max_length() <= kMaxSequenceLength, key + "max_length",
                 sequence.max_length(), absl::StrCat("must be at most ", kMaxSequenceLength),
                 "lower it");
  problems.Check(sequence.min_length() <= sequence.max_length(), key + "min_length",
                 sequence.min_length(),
                 absl::StrCat("must be at most max_length, ", sequence.max_length()),
                 "lower it or raise max_length");
  AtLeastOne(sequence.word_length(), key + "word_length", problems);
  const uint64_t tokens = PowerUpTo(sequence.alphabet().size(), sequence.word_length(), kMaxTokens);
  problems.Check(tokens <= kMaxTokens, key + "word_length", sequence.word_length(),
                 absl::StrCat("which makes more than ", kMaxTokens, " tokens"), "lower it");
}

}  // namespace

void CheckEnvironment(const v1::RunConfig& config, Problems& problems) {
  switch (config.environment().kind_case()) {
    case v1::EnvironmentConfig::kHypergrid:
      return CheckHypergrid(config.environment().hypergrid(), problems);
    case v1::EnvironmentConfig::kSequence:
      return CheckSequence(config.environment().sequence(), problems);
    case v1::EnvironmentConfig::KIND_NOT_SET:
      break;
  }
  problems.Add("environment",
               "is missing; say what to build, such as \"environment: {hypergrid: {side: 8}}\"");
}

namespace {

void CheckBitSequence(const v1::RunConfig& config, Problems& problems) {
  const std::string key = "reward.bit_sequence.";
  const v1::BitSequenceRewardConfig& reward = config.reward().bit_sequence();
  if (!config.environment().has_sequence()) {
    problems.Add("reward.bit_sequence",
                 "needs environment.sequence; choose that or another reward");
    return;
  }
  AtLeastOne(reward.modes(), key + "modes", problems);
  Positive(reward.scale(), key + "scale", problems);
  AtLeastOne(reward.found_distance(), key + "found_distance", problems);
  const v1::SequenceConfig& sequence = config.environment().sequence();
  const uint64_t bits = uint64_t{sequence.max_length()} * sequence.word_length();
  problems.Check(sequence.alphabet() == "01", "environment.sequence.alphabet",
                 absl::StrCat("\"", sequence.alphabet(), "\""), "must be \"01\" for bit_sequence",
                 "change it or choose another reward");
  problems.Check(
      sequence.min_length() == sequence.max_length(), "environment.sequence.min_length",
      sequence.min_length(),
      absl::StrCat("must equal max_length, ", sequence.max_length(), ", for bit_sequence"),
      "leave it out");
  problems.Check(bits % kBlockBits == 0, "environment.sequence.max_length", sequence.max_length(),
                 absl::StrCat("which makes ", bits, " bits, must make a multiple of 8"),
                 "modes are made of 8-bit blocks");
  const double possible = std::pow(kBlocks, static_cast<double>(bits / kBlockBits));
  problems.Check(reward.modes() <= possible, key + "modes", reward.modes(),
                 absl::StrCat("but ", bits, " bits have only ", possible, " modes"), "lower it");
}

void CheckSequenceModes(const v1::RunConfig& config, Problems& problems) {
  const std::string key = "reward.sequence_modes.";
  const v1::SequenceModesRewardConfig& reward = config.reward().sequence_modes();
  if (!config.environment().has_sequence()) {
    problems.Add("reward.sequence_modes",
                 "needs environment.sequence; choose that or another reward");
    return;
  }
  AtLeastOne(reward.modes(), key + "modes", problems);
  Positive(reward.scale(), key + "scale", problems);
  AtLeastOne(reward.found_distance(), key + "found_distance", problems);
  const v1::SequenceConfig& sequence = config.environment().sequence();
  const uint64_t letters = uint64_t{sequence.max_length()} * sequence.word_length();
  const double possible =
      std::pow(static_cast<double>(sequence.alphabet().size()), static_cast<double>(letters));
  problems.Check(reward.modes() <= possible, key + "modes", reward.modes(),
                 absl::StrCat("but there are only ", possible, " sequences of the greatest length"),
                 "lower it");
}

}  // namespace

void CheckReward(const v1::RunConfig& config, Problems& problems) {
  switch (config.reward().oracle_case()) {
    case v1::RewardConfig::kHypergrid:
      if (!config.environment().has_hypergrid()) {
        problems.Add("reward.hypergrid",
                     "needs environment.hypergrid; choose that or another reward");
      }
      return;
    case v1::RewardConfig::kBitSequence:
      return CheckBitSequence(config, problems);
    case v1::RewardConfig::kSequenceModes:
      return CheckSequenceModes(config, problems);
    case v1::RewardConfig::ORACLE_NOT_SET:
      break;
  }
  if (config.environment().kind_case() == v1::EnvironmentConfig::KIND_NOT_SET) return;
  if (!config.reward().oracles().empty()) return;
  problems.Add("reward",
               "is missing, and this environment has none of its own; name an oracle, "
               "such as \"reward: {bit_sequence: {modes: 5}}\"");
}

}  // namespace anabranch
