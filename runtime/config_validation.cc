#include "runtime/config_validation.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "runtime/config.h"

namespace anabranch {
namespace {

// Beyond these, memory ends before patience does; they catch slipped digits.
constexpr uint64_t kMaxObservationWidth = 1 << 24;
constexpr uint64_t kMaxTokens = 1 << 20;
constexpr uint64_t kMaxSequenceLength = 1 << 20;
constexpr uint64_t kMaxTrajectories = 1 << 20;
constexpr uint32_t kMaxLayers = 64;
constexpr uint32_t kMaxWidth = 1 << 16;
constexpr uint32_t kMaxBuildThreads = 256;
constexpr double kShareTolerance = 1e-6;
constexpr uint64_t kBlockBits = 8;
constexpr double kBlocks = 5;

// Collects what is wrong, so that a user mends a file in one go.
class Problems {
 public:
  Problems(const ConfigPlaces& places, std::string file)
      : places_(places), file_(std::move(file)) {}

  // "PLACE: KEY is VALUE, WANT; REMEDY".
  template <typename Value>
  void Check(bool ok, absl::string_view key, const Value& value, absl::string_view want,
             absl::string_view remedy) {
    if (!ok) Add(key, absl::StrCat("is ", value, ", ", want, "; ", remedy));
  }

  void Add(absl::string_view key, absl::string_view what) {
    std::string place = PlaceOf(places_, key);
    if (place.empty()) place = file_;
    lines_.push_back(absl::StrCat(place, place.empty() ? "" : ": ", key, " ", what));
  }

  absl::Status ToStatus() const {
    if (lines_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrJoin(lines_, "\n"));
  }

 private:
  const ConfigPlaces& places_;
  const std::string file_;
  std::vector<std::string> lines_;
};

void AtLeastOne(uint64_t value, absl::string_view key, Problems& problems) {
  problems.Check(value >= 1, key, value, "must be at least 1", "raise it");
}

void Positive(double value, absl::string_view key, Problems& problems) {
  problems.Check(std::isfinite(value) && value > 0, key, value, "must be finite and above 0",
                 "raise it");
}

void NotNegative(double value, absl::string_view key, Problems& problems) {
  problems.Check(std::isfinite(value) && value >= 0, key, value, "must be finite and at least 0",
                 "raise it");
}

void Fraction(double value, absl::string_view key, Problems& problems) {
  problems.Check(value >= 0 && value <= 1, key, value, "must be between 0 and 1", "choose a share");
}

// min(base^exponent, limit + 1).
uint64_t PowerUpTo(uint64_t base, uint64_t exponent, uint64_t limit) {
  uint64_t power = 1;
  for (uint64_t i = 0; i < exponent && power <= limit; ++i) power *= base;
  return std::min(power, limit + 1);
}

bool IsDevice(absl::string_view device) {
  if (device == "auto" || device == "cpu") return true;
  int index = 0;
  return absl::ConsumePrefix(&device, "cuda:") && !device.empty() &&
         absl::ascii_isdigit(static_cast<unsigned char>(device[0])) &&
         absl::SimpleAtoi(device, &index);
}

void CheckRun(const v1::RunConfig& config, Problems& problems) {
  problems.Check(IsDevice(config.device()), "device", absl::StrCat("\"", config.device(), "\""),
                 "which is no device", "write auto, cpu or cuda:N");
  bool plain = !config.run_name().empty() && config.run_name().size() <= 64;
  for (const char c : config.run_name()) {
    const bool letter = absl::ascii_isalnum(static_cast<unsigned char>(c)) != 0;
    plain = plain && (letter || c == '-' || c == '_' || c == '.');
  }
  plain = plain && config.run_name()[0] != '.';
  problems.Check(plain, "run_name", absl::StrCat("\"", config.run_name(), "\""),
                 "which can't name a folder",
                 "use 1 to 64 letters, digits, '-', '_' and '.', not beginning with '.'");
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
  problems.Add("reward",
               "is missing, and this environment has none of its own; name an oracle, "
               "such as \"reward: {bit_sequence: {modes: 5}}\"");
}

void CheckShaping(const v1::RewardShapingConfig& shaping, Problems& problems) {
  Positive(shaping.exponent(), "reward_shaping.exponent", problems);
  problems.Check(std::isfinite(shaping.min_log_reward()), "reward_shaping.min_log_reward",
                 shaping.min_log_reward(), "must be finite", "give a number such as -100");
  double total = 0;
  std::set<std::string> names;
  for (int i = 0; i < shaping.objectives_size(); ++i) {
    const v1::ObjectiveShaping& objective = shaping.objectives(i);
    const std::string key = absl::StrCat("reward_shaping.objectives.", i);
    if (objective.name().empty()) problems.Add(key + ".name", "is missing; name an objective");
    problems.Check(names.insert(objective.name()).second, key + ".name", objective.name(),
                   "which stands before", "name each objective once");
    NotNegative(objective.weight(), key + ".weight", problems);
    total += objective.weight();
  }
  if (shaping.objectives_size() > 0 && !(total > 0)) {
    problems.Add("reward_shaping.objectives", "have no weight; give at least one a weight above 0");
  }
}

void CheckPolicy(const v1::PolicyConfig& policy, Problems& problems) {
  const v1::MlpConfig& mlp = policy.mlp();
  problems.Check(mlp.hidden_layers() >= 1 && mlp.hidden_layers() <= kMaxLayers,
                 "policy.mlp.hidden_layers", mlp.hidden_layers(),
                 absl::StrCat("must be from 1 to ", kMaxLayers), "2 is a good start");
  problems.Check(mlp.hidden_width() >= 1 && mlp.hidden_width() <= kMaxWidth,
                 "policy.mlp.hidden_width", mlp.hidden_width(),
                 absl::StrCat("must be from 1 to ", kMaxWidth), "256 is a good start");
}

void CheckActor(const v1::ActorConfig& actor, Problems& problems) {
  const v1::ExplorationConfig& exploration = actor.exploration();
  problems.Check(actor.rollout_trajectories() <= kMaxTrajectories, "actor.rollout_trajectories",
                 actor.rollout_trajectories(), absl::StrCat("must be at most ", kMaxTrajectories),
                 "lower it");
  Fraction(exploration.epsilon(), "actor.exploration.epsilon", problems);
  Fraction(exploration.epsilon_final(), "actor.exploration.epsilon_final", problems);
  Positive(exploration.temperature(), "actor.exploration.temperature", problems);
  AtLeastOne(actor.max_pending_batches(), "actor.max_pending_batches", problems);
  Positive(actor.reward_timeout_seconds(), "actor.reward_timeout_seconds", problems);
}

std::map<std::string, const v1::ReplayTableConfig*> CheckTables(const v1::RunConfig& config,
                                                                Problems& problems) {
  std::map<std::string, const v1::ReplayTableConfig*> tables;
  const uint32_t batch = config.learner().batch_trajectories();
  for (int i = 0; i < config.replay().tables_size(); ++i) {
    const v1::ReplayTableConfig& table = config.replay().tables(i);
    const std::string key = absl::StrCat("replay.tables.", i, ".");
    if (table.name().empty()) problems.Add(key + "name", "is missing; give the table a name");
    problems.Check(tables.emplace(table.name(), &table).second, key + "name", table.name(),
                   "which another table has", "give each its own");
    problems.Check(table.max_items() >= batch, key + "max_items", table.max_items(),
                   absl::StrCat("must be at least learner.batch_trajectories, ", batch),
                   "raise it, or the learner waits for ever");
    NotNegative(table.priority_exponent(), key + "priority_exponent", problems);
    problems.Check(table.selector() == v1::REPLAY_SELECTOR_PRIORITISED ||
                       (!table.has_priority_exponent() && !table.has_priority()),
                   key + "selector", "one without priorities",
                   "but priority or priority_exponent is given", "choose prioritised");
  }
  return tables;
}

void CheckReplay(const v1::RunConfig& config, Problems& problems) {
  Positive(config.replay().lease_timeout_seconds(), "replay.lease_timeout_seconds", problems);
  const auto tables = CheckTables(config, problems);
  const double samples_per_insert = config.learner().samples_per_insert();
  double total = 0;
  std::set<std::string> sampled;
  for (int i = 0; i < config.replay().sampling_size(); ++i) {
    const v1::ReplayShareConfig& share = config.replay().sampling(i);
    const std::string key = absl::StrCat("replay.sampling.", i, ".");
    Positive(share.share(), key + "share", problems);
    total += share.share();
    problems.Check(sampled.insert(share.table()).second, key + "table", share.table(),
                   "which stands before", "give each table one share");
    const auto table = tables.find(share.table());
    if (table == tables.end()) {
      problems.Check(false, key + "table", absl::StrCat("\"", share.table(), "\""),
                     "which is no table", "add it to replay.tables or name one of them");
      continue;
    }
    const uint32_t times = table->second->max_times_sampled();
    problems.Check(
        times == 0 || samples_per_insert * share.share() <= times * (1 + 1e-9),
        "learner.samples_per_insert", samples_per_insert,
        absl::StrCat("but table \"", share.table(), "\" gives each item ", times, " times at most"),
        "lower it, or raise the table's max_times_sampled");
  }
  if (config.replay().sampling_size() == 0) {
    problems.Add("replay.sampling", "is missing; give each table a share of the batch");
  } else {
    problems.Check(std::abs(total - 1) <= kShareTolerance, "replay.sampling",
                   absl::StrCat("shares of ", total, " together"), "must be 1", "change a share");
  }
}

void CheckOptimizer(const v1::OptimizerConfig& optimizer, uint64_t max_steps, Problems& problems) {
  const std::string key = "learner.optimizer.";
  Positive(optimizer.learning_rate(), key + "learning_rate", problems);
  Positive(optimizer.log_z_learning_rate(), key + "log_z_learning_rate", problems);
  for (const auto& [name, beta] :
       {std::pair<const char*, double>{"beta1", optimizer.beta1()}, {"beta2", optimizer.beta2()}}) {
    problems.Check(beta >= 0 && beta < 1, key + name, beta, "must be at least 0 and below 1",
                   "the usual values are 0.9 and 0.999");
  }
  Positive(optimizer.epsilon(), key + "epsilon", problems);
  NotNegative(optimizer.weight_decay(), key + "weight_decay", problems);
  NotNegative(optimizer.max_gradient_norm(), key + "max_gradient_norm", problems);
  const v1::ScheduleConfig& schedule = optimizer.schedule();
  Fraction(schedule.final_fraction(), key + "schedule.final_fraction", problems);
  const uint64_t decay = schedule.decay_steps() == 0 ? max_steps : schedule.decay_steps();
  problems.Check(schedule.warmup_steps() <= decay, key + "schedule.warmup_steps",
                 schedule.warmup_steps(),
                 absl::StrCat("must be at most the steps of the decay, ", decay), "lower it");
}

void CheckLearner(const v1::LearnerConfig& learner, Problems& problems) {
  AtLeastOne(learner.max_steps(), "learner.max_steps", problems);
  problems.Check(
      learner.batch_trajectories() >= 1 && learner.batch_trajectories() <= kMaxTrajectories,
      "learner.batch_trajectories", learner.batch_trajectories(),
      absl::StrCat("must be from 1 to ", kMaxTrajectories), "16 is a good start");
  Positive(learner.samples_per_insert(), "learner.samples_per_insert", problems);
  CheckOptimizer(learner.optimizer(), learner.max_steps(), problems);
  AtLeastOne(learner.publish_every_steps(), "learner.publish_every_steps", problems);
  AtLeastOne(learner.checkpoint().keep(), "learner.checkpoint.keep", problems);
  AtLeastOne(learner.prefetch_batches(), "learner.prefetch_batches", problems);
  problems.Check(learner.build_threads() <= kMaxBuildThreads, "learner.build_threads",
                 learner.build_threads(), absl::StrCat("must be at most ", kMaxBuildThreads),
                 "1 is enough where training is the work");
}

}  // namespace

absl::Status ValidateRunConfigAt(const v1::RunConfig& config, const ConfigPlaces& places,
                                 const std::string& file) {
  Problems problems(places, file);
  CheckRun(config, problems);
  CheckEnvironment(config, problems);
  CheckReward(config, problems);
  CheckShaping(config.reward_shaping(), problems);
  CheckPolicy(config.policy(), problems);
  CheckActor(config.actor(), problems);
  CheckReplay(config, problems);
  CheckLearner(config.learner(), problems);
  AtLeastOne(config.evaluation().top_k(), "evaluation.top_k", problems);
  return problems.ToStatus();
}

absl::Status ValidateRunConfig(const v1::RunConfig& config) {
  return ValidateRunConfigAt(config, {}, "");
}

}  // namespace anabranch
