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
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "runtime/config.h"
#include "runtime/config_problems.h"
#include "runtime/socket_address.h"

namespace anabranch {
namespace {

// Beyond these, memory ends before patience does; they catch slipped digits.
constexpr uint64_t kMaxTrajectories = 1 << 20;
constexpr uint32_t kMaxLayers = 64;
constexpr uint32_t kMaxWidth = 1 << 16;
constexpr uint32_t kMaxBuildThreads = 256;
constexpr double kShareTolerance = 1e-6;

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

void CheckCluster(const v1::ClusterConfig& cluster, Problems& problems) {
  std::set<std::string> taken;
  for (const auto& [key, text] :
       {std::pair<const char*, std::string>{"cluster.replay_address", cluster.replay_address()},
        {"cluster.reward_address", cluster.reward_address()},
        {"cluster.learner_address", cluster.learner_address()}}) {
    const absl::StatusOr<SocketAddress> address = ParseSocketAddress(text);
    if (!address.ok()) {
      problems.Add(key, address.status().message());
      continue;
    }
    // Any number of roles may ask for a free port.
    problems.Check(address->port == 0 || taken.insert(address->ToString()).second, key, text,
                   "which another role has", "give each its own port");
  }
}

}  // namespace

absl::Status ValidateRunConfigAt(const v1::RunConfig& config, const ConfigPlaces& places,
                                 const std::string& file) {
  Problems problems(places, file);
  CheckRun(config, problems);
  CheckEnvironment(config, problems);
  CheckReward(config, problems);
  CheckOracles(config, problems);
  CheckShaping(config.reward_shaping(), problems);
  CheckPolicy(config.policy(), problems);
  CheckActor(config.actor(), problems);
  CheckReplay(config, problems);
  CheckLearner(config.learner(), problems);
  CheckCluster(config.cluster(), problems);
  CheckClusterSecurity(config.cluster(), problems);
  AtLeastOne(config.evaluation().top_k(), "evaluation.top_k", problems);
  return problems.ToStatus();
}

absl::Status ValidateRunConfig(const v1::RunConfig& config) {
  return ValidateRunConfigAt(config, {}, "");
}

}  // namespace anabranch
