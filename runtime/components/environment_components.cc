#include "runtime/components/environment_components.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "gflownet/environment/hypergrid.h"
#include "gflownet/environment/hypergrid_reward.h"
#include "gflownet/environment/sequence.h"
#include "gflownet/environment/sequence_reward.h"

namespace anabranch {
namespace {

using EnvironmentOr = absl::StatusOr<std::unique_ptr<Environment>>;
using RewardFunctionOr = absl::StatusOr<std::unique_ptr<RewardFunction>>;

HypergridOptions GridOptions(const v1::HypergridConfig& config) {
  return {config.dimensions(), config.side()};
}

EnvironmentOr MakeHypergrid(const v1::EnvironmentConfig& config) {
  return Hypergrid::Create(GridOptions(config.hypergrid()));
}

EnvironmentOr MakeSequence(const v1::EnvironmentConfig& config) {
  const v1::SequenceConfig& sequence = config.sequence();
  SequenceOptions options;
  options.vocabulary = AllWords(sequence.alphabet(), sequence.word_length());
  options.min_length = sequence.min_length();
  options.max_length = sequence.max_length();
  options.growth = sequence.growth() == v1::SEQUENCE_GROWTH_PREPEND_OR_APPEND
                       ? SequenceGrowth::kPrependOrAppend
                       : SequenceGrowth::kAppend;
  return Sequence::Create(options);
}

RewardFunctionOr MakeHypergridReward(const v1::RunConfig& config) {
  const v1::HypergridConfig& grid = config.environment().hypergrid();
  return HypergridReward::Create(GridOptions(grid), {grid.r0(), grid.r1(), grid.r2()});
}

RewardFunctionOr MakeSequenceModesReward(const v1::RunConfig& config) {
  const v1::SequenceModesRewardConfig& reward = config.reward().sequence_modes();
  const v1::SequenceConfig& sequence = config.environment().sequence();
  SequenceRewardOptions options;
  options.blocks = AllWords(sequence.alphabet(), 1);
  options.length = int64_t{sequence.max_length()} * sequence.word_length();
  options.num_modes = reward.modes();
  options.seed = reward.seed();
  options.scale = reward.scale();
  options.found_distance = reward.found_distance();
  return SequenceReward::Create(options);
}

RewardFunctionOr MakeBitSequenceReward(const v1::RunConfig& config) {
  const v1::BitSequenceRewardConfig& reward = config.reward().bit_sequence();
  const v1::SequenceConfig& sequence = config.environment().sequence();
  SequenceRewardOptions options;
  options.blocks = BitSequenceBlocks();
  options.length = int64_t{sequence.max_length()} * sequence.word_length();
  options.num_modes = reward.modes();
  options.seed = reward.seed();
  options.scale = reward.scale();
  options.found_distance = reward.found_distance();
  return SequenceReward::Create(options);
}

// The registries.

struct EnvironmentEntry {
  v1::EnvironmentConfig::KindCase kind;
  EnvironmentOr (*make)(const v1::EnvironmentConfig& config);
};

constexpr EnvironmentEntry kEnvironments[] = {
    {v1::EnvironmentConfig::kHypergrid, MakeHypergrid},
    {v1::EnvironmentConfig::kSequence, MakeSequence},
};

struct RewardEntry {
  v1::RewardConfig::OracleCase kind;
  RewardFunctionOr (*make)(const v1::RunConfig& config);
};

constexpr RewardEntry kRewards[] = {
    {v1::RewardConfig::kHypergrid, MakeHypergridReward},
    {v1::RewardConfig::kBitSequence, MakeBitSequenceReward},
    {v1::RewardConfig::kSequenceModes, MakeSequenceModesReward},
};

}  // namespace

EnvironmentOr MakeEnvironment(const v1::EnvironmentConfig& config) {
  for (const EnvironmentEntry& entry : kEnvironments) {
    if (entry.kind == config.kind_case()) return entry.make(config);
  }
  return absl::UnimplementedError(absl::StrCat("environment: kind ",
                                               static_cast<int>(config.kind_case()),
                                               " is not built into this binary; name one that is"));
}

RewardFunctionOr MakeRewardFunction(const v1::RunConfig& config) {
  for (const RewardEntry& entry : kRewards) {
    if (entry.kind == config.reward().oracle_case()) return entry.make(config);
  }
  return absl::UnimplementedError(absl::StrCat("reward: oracle ",
                                               static_cast<int>(config.reward().oracle_case()),
                                               " is not built into this binary; name one that is"));
}

std::vector<std::string> AllWords(const std::string& alphabet, int64_t word_length) {
  std::vector<std::string> words = {""};
  for (int64_t i = 0; i < word_length; ++i) {
    std::vector<std::string> longer;
    longer.reserve(words.size() * alphabet.size());
    for (const std::string& word : words) {
      for (const char letter : alphabet) longer.push_back(word + letter);
    }
    words = std::move(longer);
  }
  return words;
}

}  // namespace anabranch
