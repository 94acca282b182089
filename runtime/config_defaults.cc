// All defaults of the run configuration, in one place. The comments in config.proto tell them to
// the user; a test holds the two together.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "runtime/config.h"
#include "runtime/config_reader.h"

namespace anabranch {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::OneofDescriptor;
using ::google::protobuf::Reflection;

struct Default {
  absl::string_view key;
  absl::string_view value;  // As YAML.
};

// Keys below an alternative (environment.hypergrid) apply where that alternative is chosen.
constexpr Default kDefaults[] = {
    {"run_name", "run"},
    {"seed", "0"},
    {"device", "auto"},
    {"threads", "0"},
    {"environment.hypergrid.dimensions", "2"},
    {"environment.hypergrid.side", "8"},
    {"environment.hypergrid.r0", "0.1"},
    {"environment.hypergrid.r1", "0.5"},
    {"environment.hypergrid.r2", "2.0"},
    {"environment.sequence.alphabet", "\"01\""},
    {"environment.sequence.max_length", "8"},
    {"environment.sequence.growth", "append"},
    {"environment.sequence.word_length", "1"},
    {"reward.bit_sequence.modes", "60"},
    {"reward.bit_sequence.seed", "0"},
    {"reward.bit_sequence.scale", "1"},
    {"reward.sequence_modes.modes", "8"},
    {"reward.sequence_modes.seed", "0"},
    {"reward.sequence_modes.scale", "1"},
    {"reward.budget.max_evaluations", "0"},
    {"reward.budget.max_cost", "0"},
    {"reward.allow_fingerprint_change", "false"},
    {"reward_shaping.exponent", "1"},
    {"reward_shaping.min_log_reward", "-100"},
    {"reward_shaping.invalid", "reject"},
    {"reward_shaping.scalarisation", "weighted_sum"},
    {"policy.backward", "learned"},
    {"policy.shared_trunk", "true"},
    {"policy.mlp.hidden_layers", "2"},
    {"policy.mlp.hidden_width", "256"},
    {"policy.mlp.activation", "leaky_relu"},
    {"objective.trajectory_balance.initial_log_z", "0"},
    {"actor.rollout_trajectories", "0"},
    {"actor.exploration.epsilon", "0"},
    {"actor.exploration.anneal_trajectories", "0"},
    {"actor.exploration.temperature", "1"},
    {"actor.max_pending_batches", "2"},
    {"actor.reward_timeout_seconds", "60"},
    {"replay.max_objects", "1000000"},
    {"replay.lease_timeout_seconds", "30"},
    {"learner.max_steps", "10000"},
    {"learner.batch_trajectories", "16"},
    {"learner.samples_per_insert", "1.0"},
    {"learner.optimizer.learning_rate", "1e-3"},
    {"learner.optimizer.log_z_learning_rate", "0.1"},
    {"learner.optimizer.beta1", "0.9"},
    {"learner.optimizer.beta2", "0.999"},
    {"learner.optimizer.epsilon", "1e-8"},
    {"learner.optimizer.weight_decay", "0"},
    {"learner.optimizer.max_gradient_norm", "0"},
    {"learner.optimizer.schedule.kind", "constant"},
    {"learner.optimizer.schedule.final_fraction", "0"},
    {"learner.optimizer.schedule.decay_steps", "0"},
    {"learner.optimizer.schedule.warmup_steps", "0"},
    {"learner.publish_every_steps", "1"},
    {"learner.checkpoint.every_steps", "1000"},
    {"learner.checkpoint.keep", "3"},
    {"learner.prefetch_batches", "2"},
    {"learner.build_threads", "1"},
    {"evaluation.every_steps", "500"},
    {"evaluation.exact", "auto"},
    {"evaluation.max_exact_states", "1000000"},
    {"evaluation.top_k", "100"},
    {"evaluation.trajectories", "1024"},
    {"cluster.replay_address", "127.0.0.1:7401"},
    {"cluster.reward_address", "127.0.0.1:7402"},
    {"cluster.learner_address", "127.0.0.1:7403"},
};

constexpr absl::string_view kDefaultTable = "fresh";
constexpr uint64_t kDefaultTableItems = 100'000;
constexpr uint64_t kDefaultTableBytes = 256 * 1024 * 1024;

// An unset enum counts as unset, whether absent or UNSPECIFIED.
bool IsSet(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  if (!reflection.HasField(message, &field)) return false;
  return field.cpp_type() != FieldDescriptor::CPPTYPE_ENUM ||
         reflection.GetEnumValue(message, &field) != 0;
}

// Whether the default belongs to this configuration: not set yet, and below no alternative that was
// not chosen. Makes the messages on the way.
bool Applies(absl::string_view key, v1::RunConfig& config) {
  Message* at = &config;
  const std::vector<std::string> parts = absl::StrSplit(key, '.');
  for (size_t i = 0; i < parts.size(); ++i) {
    const FieldDescriptor* field = at->GetDescriptor()->FindFieldByName(parts[i]);
    const Reflection& reflection = *at->GetReflection();
    if (i + 1 == parts.size()) return !IsSet(*at, *field);
    if (field->real_containing_oneof() != nullptr && !reflection.HasField(*at, field)) return false;
    at = reflection.MutableMessage(at, field);
  }
  return false;
}

// Which alternative is taken where none is given. The environment has no default.
void ChooseAlternatives(v1::RunConfig& config) {
  if (!config.mutable_policy()->has_mlp()) config.mutable_policy()->mutable_mlp();
  if (config.objective().kind_case() == v1::ObjectiveConfig::KIND_NOT_SET) {
    config.mutable_objective()->mutable_trajectory_balance();
  }
  if (config.reward().oracle_case() == v1::RewardConfig::ORACLE_NOT_SET &&
      config.reward().oracles().empty() && config.environment().has_hypergrid()) {
    config.mutable_reward()->mutable_hypergrid();
  }
}

void FillFoundDistance(const v1::SequenceConfig& sequence, v1::RewardConfig& reward) {
  const uint64_t letters = uint64_t{sequence.max_length()} * sequence.word_length();
  const auto quarter = static_cast<uint32_t>(std::max<uint64_t>(letters / 4, 1));
  if (reward.has_bit_sequence() && !reward.bit_sequence().has_found_distance()) {
    reward.mutable_bit_sequence()->set_found_distance(quarter);
  }
  if (reward.has_sequence_modes() && !reward.sequence_modes().has_found_distance()) {
    reward.mutable_sequence_modes()->set_found_distance(quarter);
  }
}

void FillTls(v1::TlsConfig& tls) {
  if (!tls.has_require_client_certificate()) {
    tls.set_require_client_certificate(tls.has_ca_file());
  }
}

void FillKind(v1::OracleConfig& oracle) {
  if (oracle.has_process()) {
    v1::ProcessOracleConfig& process = *oracle.mutable_process();
    if (process.protocol() == v1::PROCESS_PROTOCOL_UNSPECIFIED) {
      process.set_protocol(v1::PROCESS_PROTOCOL_JSON_LINES);
    }
    if (!process.has_processes()) process.set_processes(1);
  }
  if (oracle.has_http() && !oracle.http().has_objects_key()) {
    oracle.mutable_http()->set_objects_key("smiles");
  }
  if (oracle.has_grpc()) return;
  v1::OracleDescriptionConfig& description = *oracle.mutable_describe();
  if (!description.has_version()) description.set_version("1");
  if (!description.has_deterministic()) description.set_deterministic(true);
}

void FillOracle(v1::OracleConfig& oracle) {
  if (!oracle.has_batch_objects()) oracle.set_batch_objects(0);
  if (!oracle.has_max_wait_seconds()) oracle.set_max_wait_seconds(0.005);
  if (!oracle.has_max_in_flight()) oracle.set_max_in_flight(8);
  if (!oracle.has_timeout_seconds()) oracle.set_timeout_seconds(60);
  if (!oracle.has_max_tries()) oracle.set_max_tries(4);
  if (!oracle.has_free()) oracle.set_free(false);
  v1::CircuitConfig& circuit = *oracle.mutable_circuit();
  if (!circuit.has_failures()) circuit.set_failures(5);
  if (!circuit.has_open_seconds()) circuit.set_open_seconds(2);
  FillKind(oracle);
}

// Defaults that depend on other values.
void FillDependent(v1::RunConfig& config) {
  if (config.environment().has_sequence()) {
    v1::SequenceConfig& sequence = *config.mutable_environment()->mutable_sequence();
    if (!sequence.has_min_length()) sequence.set_min_length(sequence.max_length());
    FillFoundDistance(sequence, *config.mutable_reward());
  }
  for (v1::OracleConfig& oracle : *config.mutable_reward()->mutable_oracles()) FillOracle(oracle);
  if (config.cluster().has_tls()) FillTls(*config.mutable_cluster()->mutable_tls());
  v1::RewardShapingConfig& shaping = *config.mutable_reward_shaping();
  if (shaping.scale() == v1::REWARD_SCALE_UNSPECIFIED) {
    const bool linear = config.reward().has_hypergrid() || !config.reward().oracles().empty();
    shaping.set_scale(linear ? v1::REWARD_SCALE_LINEAR : v1::REWARD_SCALE_LOG);
  }
  for (v1::ObjectiveShaping& objective : *shaping.mutable_objectives()) {
    if (!objective.has_weight()) objective.set_weight(1);
    if (objective.direction() == v1::OBJECTIVE_DIRECTION_UNSPECIFIED) {
      objective.set_direction(v1::OBJECTIVE_DIRECTION_MAXIMIZE);
    }
  }
  v1::ExplorationConfig& exploration = *config.mutable_actor()->mutable_exploration();
  if (!exploration.has_epsilon_final()) exploration.set_epsilon_final(exploration.epsilon());
}

void FillReplay(v1::ReplayConfig& replay) {
  if (replay.tables().empty()) replay.add_tables()->set_name(std::string(kDefaultTable));
  for (v1::ReplayTableConfig& table : *replay.mutable_tables()) {
    if (table.selector() == v1::REPLAY_SELECTOR_UNSPECIFIED) {
      table.set_selector(v1::REPLAY_SELECTOR_FIFO);
    }
    if (!table.has_max_items()) table.set_max_items(kDefaultTableItems);
    if (!table.has_max_bytes()) table.set_max_bytes(kDefaultTableBytes);
    if (!table.has_max_times_sampled()) {
      table.set_max_times_sampled(table.selector() == v1::REPLAY_SELECTOR_FIFO ? 1 : 0);
    }
    if (table.selector() != v1::REPLAY_SELECTOR_PRIORITISED) continue;
    if (!table.has_priority_exponent()) table.set_priority_exponent(1);
    if (table.priority() == v1::REPLAY_PRIORITY_UNSPECIFIED) {
      table.set_priority(v1::REPLAY_PRIORITY_CLIENT);
    }
  }
  if (replay.sampling().empty() && replay.tables_size() == 1) {
    v1::ReplayShareConfig& share = *replay.add_sampling();
    share.set_table(replay.tables(0).name());
    share.set_share(1);
  }
}

}  // namespace

void FillDefaults(v1::RunConfig& config) {
  ChooseAlternatives(config);
  ConfigPlaces unused;
  for (const Default& entry : kDefaults) {
    if (!Applies(entry.key, config)) continue;
    // Can't fail: a test fills every default.
    SetByPath(entry.key, entry.value, "default", config, unused).IgnoreError();
  }
  FillDependent(config);
  FillReplay(*config.mutable_replay());
}

}  // namespace anabranch
