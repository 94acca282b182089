#include "runtime/config.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/config_names.h"
#include "runtime/config_reader.h"

namespace anabranch {
namespace {

using ::absl::StatusCode;
using ::google::protobuf::util::MessageDifferencer;
using ::testing::HasSubstr;

constexpr char kGrid[] = "environment: {hypergrid: {side: 8}}\n";

v1::RunConfig Load(const std::string& yaml, const ConfigOverrides& overrides = {}) {
  const absl::StatusOr<v1::RunConfig> config = ParseRunConfig(yaml, "run.yaml", overrides);
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : v1::RunConfig();
}

// The message of the refusal.
std::string Refusal(const std::string& yaml, const ConfigOverrides& overrides = {}) {
  const absl::Status status = ParseRunConfig(yaml, "run.yaml", overrides).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status << "\nfor\n" << yaml;
  return std::string(status.message());
}

std::string FlagRefusal(const std::string& flag, const std::string& yaml = kGrid) {
  return Refusal(yaml, {.flags = {flag}, .environment = {}});
}

TEST(Config, ReadsNestedMessagesListsEnumsAndNumbers) {
  const v1::RunConfig config = Load(R"(
run_name: my-run
seed: 18446744073709551615
environment:
  hypergrid: {dimensions: 4, side: 16, r0: 1e-3}
policy:
  backward: uniform
  shared_trunk: false
objective:
  var_grad:
replay:
  tables:
    - {name: fresh, selector: fifo}
    - name: all
      selector: uniform
      max_items: 5000
  sampling: [{table: fresh, share: 0.25}, {table: all, share: 0.75}]
)");
  EXPECT_EQ(config.run_name(), "my-run");
  EXPECT_EQ(config.seed(), 18446744073709551615u);
  EXPECT_EQ(config.environment().hypergrid().dimensions(), 4);
  EXPECT_EQ(config.environment().hypergrid().side(), 16);
  EXPECT_EQ(config.environment().hypergrid().r0(), 1e-3);
  EXPECT_EQ(config.policy().backward(), v1::BACKWARD_POLICY_UNIFORM);
  EXPECT_FALSE(config.policy().shared_trunk());
  EXPECT_TRUE(config.objective().has_var_grad());
  ASSERT_EQ(config.replay().tables_size(), 2);
  EXPECT_EQ(config.replay().tables(1).selector(), v1::REPLAY_SELECTOR_UNIFORM);
  EXPECT_EQ(config.replay().tables(1).max_items(), 5000);
  EXPECT_EQ(config.replay().sampling(1).share(), 0.75);
}

TEST(Config, AnUnquotedAlphabetOfDigitsIsAString) {
  const v1::RunConfig config = Load(
      "environment: {sequence: {alphabet: 01, max_length: 8}}\n"
      "reward: {bit_sequence: {modes: 2}}\n");
  EXPECT_EQ(config.environment().sequence().alphabet(), "01");
}

TEST(Config, AnUnknownKeyIsRefusedWithPlaceAndNearestName) {
  EXPECT_EQ(Refusal(absl::StrCat(kGrid, "learner:\n  batch_trajectoreis: 16\n")),
            "run.yaml:3:3: unknown key \"batch_trajectoreis\" in learner; did you mean "
            "\"batch_trajectories\"?");
  EXPECT_EQ(Refusal(absl::StrCat(kGrid, "sed: 1\n")),
            "run.yaml:2:1: unknown key \"sed\" in the run configuration; did you mean \"seed\"?");
  EXPECT_EQ(Refusal("replay:\n  tables:\n    - {name: a}\n    - {nmae: b}\n"),
            "run.yaml:4:8: unknown key \"nmae\" in replay.tables.1; did you mean \"name\"?");
}

TEST(Config, AKeyAtTheWrongLevelIsToldItsPath) {
  EXPECT_EQ(Refusal("environment:\n  side: 8\n"),
            "run.yaml:2:3: unknown key \"side\" in environment; did you mean "
            "\"environment.hypergrid.side\"?");
}

TEST(Config, AKeyLikeNoOtherIsToldWhichThereAre) {
  EXPECT_EQ(Refusal("actor:\n  zzz: 8\n"),
            "run.yaml:2:3: unknown key \"zzz\" in actor; its keys are rollout_trajectories, "
            "exploration, max_pending_batches, reward_timeout_seconds");
  EXPECT_EQ(Refusal("objective:\n  var_grad: {zzz: 8}\n"),
            "run.yaml:2:14: unknown key \"zzz\" in objective.var_grad; it takes no keys");
}

TEST(Config, AnIllTypedValueIsToldWhatWasExpectedAndFound) {
  EXPECT_EQ(Refusal("learner:\n  max_steps: many\n"),
            "run.yaml:2:14: learner.max_steps: expected a whole number from 0 to "
            "18446744073709551615, found \"many\"");
  EXPECT_EQ(Refusal("learner:\n  max_steps: 1e3\n"),
            "run.yaml:2:14: learner.max_steps: expected a whole number from 0 to "
            "18446744073709551615, found \"1e3\"");
  EXPECT_EQ(Refusal("learner:\n  max_steps: \"5\"\n"),
            "run.yaml:2:14: learner.max_steps: expected a whole number from 0 to "
            "18446744073709551615, found \"5\"");
  EXPECT_EQ(Refusal("learner:\n  samples_per_insert: one\n"),
            "run.yaml:2:23: learner.samples_per_insert: expected a finite number, found \"one\"");
  EXPECT_EQ(Refusal("policy:\n  shared_trunk: yes\n"),
            "run.yaml:2:17: policy.shared_trunk: expected true or false, found \"yes\"");
  EXPECT_EQ(Refusal("seed:\n  - 1\n"),
            "run.yaml:2:3: seed: expected a whole number from 0 to 18446744073709551615, found a "
            "list");
  EXPECT_EQ(Refusal("seed: {a: 1}\n"),
            "run.yaml:1:7: seed: expected a whole number from 0 to 18446744073709551615, found a "
            "mapping");
  EXPECT_EQ(Refusal("run_name: [a]\n"), "run.yaml:1:11: run_name: expected a string, found a list");
  EXPECT_EQ(Refusal("run_name: a\nseed:\n"),
            "run.yaml:2:1: seed: expected a whole number from 0 to 18446744073709551615, found "
            "nothing");
  EXPECT_EQ(Refusal("learner: 5\n"), "run.yaml:1:10: learner: expected a mapping, found \"5\"");
  EXPECT_EQ(Refusal("replay:\n  tables: {name: a}\n"),
            "run.yaml:2:11: replay.tables: expected a list, found a mapping");
  EXPECT_EQ(Refusal("- a\n"), "run.yaml:1:1: the file: expected a mapping, found a list");
}

TEST(Config, ANumberOutOfRangeIsRefusedNotWrapped) {
  EXPECT_EQ(Refusal("learner:\n  batch_trajectories: 4294967296\n"),
            "run.yaml:2:23: learner.batch_trajectories: 4294967296 is out of range; expected a "
            "whole number from 0 to 4294967295");
  EXPECT_EQ(Refusal("seed: 18446744073709551616\n"),
            "run.yaml:1:7: seed: 18446744073709551616 is out of range; expected a whole number "
            "from 0 to 18446744073709551615");
  EXPECT_EQ(Refusal("seed: -1\n"),
            "run.yaml:1:7: seed: -1 is out of range; expected a whole number from 0 to "
            "18446744073709551615");
}

TEST(Config, ANumberThatIsNotFiniteIsRefused) {
  for (const std::string value : {"nan", ".nan", "inf", "-inf", ".inf", "-.INF", "1e999"}) {
    EXPECT_EQ(Refusal(absl::StrCat("environment: {hypergrid: {r0: ", value, "}}\n")),
              absl::StrCat("run.yaml:1:31: environment.hypergrid.r0: ", value,
                           " is out of range; expected a finite number"));
  }
}

TEST(Config, AnUnknownEnumValueIsToldTheNearestOne) {
  EXPECT_EQ(
      Refusal("replay:\n  tables: [{name: a, selector: fio}]\n"),
      "run.yaml:2:32: replay.tables.0.selector: expected one of fifo, uniform, prioritised, found "
      "\"fio\"; did you mean \"fifo\"?");
  EXPECT_EQ(Refusal("policy: {backward: unspecified}\n"),
            "run.yaml:1:20: policy.backward: expected one of uniform, learned, found "
            "\"unspecified\"");
}

TEST(Config, AKeyGivenTwiceIsRefused) {
  EXPECT_EQ(Refusal("seed: 1\nrun_name: a\nseed: 2\n"),
            "run.yaml:3:1: key \"seed\" of the run configuration is given twice; keep one");
  EXPECT_EQ(Refusal("learner:\n  max_steps: 1\n  max_steps: 1\n"),
            "run.yaml:3:3: key \"max_steps\" of learner is given twice; keep one");
}

TEST(Config, TwoAlternativesAreRefused) {
  EXPECT_EQ(Refusal("environment:\n  hypergrid: {}\n  sequence: {}\n"),
            "run.yaml:3:3: environment has both \"hypergrid\" and \"sequence\"; keep one");
}

TEST(Config, WhatIsNotYamlIsRefusedWithItsPlace) {
  EXPECT_THAT(Refusal("seed: 1\nlearner: [1, 2\n"), HasSubstr("run.yaml:3:1: not YAML: "));
  EXPECT_THAT(Refusal("seed: 1\n\tlearner: 2\n"), HasSubstr("run.yaml:2:"));
  EXPECT_EQ(Refusal("seed: 1\n---\nseed: 2\n"),
            "run.yaml:3:1: a second YAML document begins; a configuration is one");
  EXPECT_EQ(Refusal("? [a]\n: 1\n"),
            "run.yaml:1:3: a key of the run configuration is a list; keys are plain names");
}

TEST(Config, DeepNestingIsRefusedNotFatal) {
  EXPECT_THAT(Refusal(std::string(100'000, '[')), HasSubstr("run.yaml"));
  EXPECT_THAT(Refusal("a: &x [*x]\n"), HasSubstr("run.yaml:1:"));
}

TEST(Config, AnEmptyFileLacksItsEnvironment) {
  EXPECT_EQ(Refusal(""),
            "run.yaml: environment is missing; say what to build, such as \"environment: "
            "{hypergrid: {side: 8}}\"");
}

TEST(Config, AMissingFileIsNotFoundAndNamed) {
  const absl::Status status = LoadRunConfig(*PosixFileSystem(), "no/such.yaml").status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no/such.yaml"));
}

TEST(Config, FlagBeatsVariableBeatsFileBeatsDefault) {
  const std::string file = absl::StrCat(kGrid, "learner: {max_steps: 1}\n");
  const std::map<std::string, std::string> variable = {{"ANABRANCH_LEARNER__MAX_STEPS", "2"}};
  EXPECT_EQ(Load(kGrid).learner().max_steps(), 10'000);
  EXPECT_EQ(Load(file).learner().max_steps(), 1);
  EXPECT_EQ(Load(file, {.flags = {}, .environment = variable}).learner().max_steps(), 2);
  const ConfigOverrides all = {.flags = {"learner.max_steps=9", "learner.max_steps=3"},
                               .environment = variable};
  EXPECT_EQ(Load(file, all).learner().max_steps(), 3);
}

TEST(Config, FlagsReachIntoListsAndReplaceWholeOnes) {
  const std::string file = absl::StrCat(kGrid, "replay: {tables: [{name: a, max_items: 100}]}\n");
  const v1::RunConfig one =
      Load(file, {.flags = {"replay.tables.0.max_items=50"}, .environment = {}});
  EXPECT_EQ(one.replay().tables(0).max_items(), 50);
  EXPECT_EQ(one.replay().tables(0).name(), "a");
  const v1::RunConfig whole =
      Load(file, {.flags = {"replay.tables=[{name: b, selector: uniform}]"}, .environment = {}});
  ASSERT_EQ(whole.replay().tables_size(), 1);
  EXPECT_EQ(whole.replay().tables(0).name(), "b");
  EXPECT_EQ(whole.replay().tables(0).max_items(), 100'000);
}

TEST(Config, AFlagThatNamesAnAlternativeSwitchesToIt) {
  const v1::RunConfig config = Load(
      kGrid,
      {.flags = {"objective.var_grad={}", "environment.hypergrid={side: 4}"}, .environment = {}});
  EXPECT_TRUE(config.objective().has_var_grad());
  EXPECT_EQ(config.environment().hypergrid().side(), 4);
}

TEST(Config, BadFlagsAreRefusedByName) {
  EXPECT_EQ(FlagRefusal("learner.max_step=5"),
            "--set learner.max_step: unknown key \"max_step\" in learner; did you mean "
            "\"max_steps\"?");
  EXPECT_EQ(FlagRefusal("learner.max_steps=many"),
            "--set learner.max_steps: learner.max_steps: expected a whole number from 0 to "
            "18446744073709551615, found \"many\"");
  EXPECT_EQ(FlagRefusal("learner.max_steps"),
            "--set learner.max_steps: expected key=value, such as learner.max_steps=1000");
  EXPECT_EQ(FlagRefusal("=5"), "--set =5: expected key=value, such as learner.max_steps=1000");
  EXPECT_EQ(FlagRefusal("seed.x=5"),
            "--set seed.x: seed is a single value; it has no keys below it");
  EXPECT_EQ(
      FlagRefusal("replay.tables.1.name=x", absl::StrCat(kGrid, "replay: {tables: [{name: a}]}")),
      "--set replay.tables.1.name: replay.tables is a list of 1 given in the file; \"1\" is "
      "not a position in it, counted from 0");
  EXPECT_EQ(FlagRefusal("replay.tables.0=x", absl::StrCat(kGrid, "replay: {tables: [{name: a}]}")),
            "--set replay.tables.0: replay.tables.0 is an element of a list; name one of its keys");
  EXPECT_EQ(FlagRefusal("environment.sequence.max_length=5"),
            "--set environment.sequence.max_length: the configuration has \"hypergrid\", not "
            "\"sequence\"; to switch, set environment.sequence={...}");
  EXPECT_EQ(FlagRefusal("environment.hypergrid.side=1"),
            "--set environment.hypergrid.side: environment.hypergrid.side is 1, must be at least "
            "2; a grid of one cell leaves nothing to choose");
  EXPECT_THAT(FlagRefusal("replay.tables=[1"), HasSubstr("--set replay.tables: not YAML: "));
}

TEST(Config, BadVariablesAreRefusedAndStrangersIgnored) {
  const auto refusal = [](const std::string& name, const std::string& value) {
    return Refusal(kGrid, {.flags = {}, .environment = {{name, value}}});
  };
  EXPECT_EQ(refusal("ANABRANCH_LEARNER__MAX_STEP", "5"),
            "ANABRANCH_LEARNER__MAX_STEP: unknown key \"max_step\" in learner; did you mean "
            "\"max_steps\"?");
  EXPECT_EQ(refusal("ANABRANCH_SEDE", "5"),
            "ANABRANCH_SEDE: unknown key \"sede\" in the run configuration; did you mean "
            "\"seed\"?");
  EXPECT_THAT(refusal("ANABRANCH_SEED", "x"), HasSubstr("ANABRANCH_SEED: seed: expected a whole"));
  Load(kGrid, {.flags = {},
               .environment = {{"ANABRANCH_REPLAY_PORT", "tcp://10.0.0.1:80"},
                               {"ANABRANCH_REPLAY_SERVICE_HOST", "10.0.0.1"},
                               {"LEARNER__MAX_STEPS", "x"}}});
}

TEST(Config, OnlyOurVariablesAreTakenFromTheProcess) {
  const char* const environment[] = {"PATH=/bin", "ANABRANCH_SEED=5", "ANABRANCH_RUN_NAME=a=b",
                                     nullptr};
  EXPECT_EQ(
      AnabranchVariables(environment),
      (std::map<std::string, std::string>{{"ANABRANCH_SEED", "5"}, {"ANABRANCH_RUN_NAME", "a=b"}}));
}

TEST(PrintRunConfig, LoadsToTheSameMessage) {
  const std::vector<std::string> files = {
      kGrid,
      "environment: {hypergrid: {dimensions: 3, r0: 1e-300, r1: 0.1, r2: 12345.678901234567}}\n"
      "objective: {var_grad: {}}\n"
      "reward_shaping: {min_log_reward: -1e-7, objectives: [{name: 'a \"b\" #c'}, {name: "
      "\"d\\n\"}]}\n",
      "environment: {sequence: {alphabet: '01', max_length: 16}}\n"
      "reward: {bit_sequence: {modes: 3}}\n"
      "replay: {tables: [{name: 'yes'}, {name: '1', selector: uniform}],\n"
      "         sampling: [{table: 'yes', share: 0.3}, {table: '1', share: 0.7}]}\n",
      std::string(kGrid) +
          "cluster: {replay_address: '[::1]:7', learner_address: db:0}\n"
          "replay: {tables: [{name: a, selector: prioritised, priority: loss, priority_exponent: "
          "0.6}], lease_timeout_seconds: 2.5}\n"};
  for (const std::string& file : files) {
    const v1::RunConfig config = Load(file);
    const std::string printed = PrintRunConfig(config);
    EXPECT_TRUE(MessageDifferencer::Equals(Load(printed), config)) << printed;
  }
}

TEST(PrintRunConfig, ShowsDefaultsAsAFileWouldGiveThem) {
  const std::string printed = PrintRunConfig(Load(kGrid));
  EXPECT_THAT(printed, HasSubstr("seed: 0\n"));
  EXPECT_THAT(printed, HasSubstr("device: \"auto\"\n"));
  EXPECT_THAT(printed, HasSubstr("    learning_rate: 0.001\n"));
  EXPECT_THAT(printed, HasSubstr("selector: fifo\n"));
}

// Priorities mean something in prioritised tables alone; elsewhere they are refused.
bool HasNoMeaning(const google::protobuf::Message& message,
                  const google::protobuf::FieldDescriptor& field) {
  const auto* table = dynamic_cast<const v1::ReplayTableConfig*>(&message);
  return table != nullptr && table->selector() != v1::REPLAY_SELECTOR_PRIORITISED &&
         (field.name() == "priority" || field.name() == "priority_exponent");
}

// What is unset after FillDefaults has no default: none may be.
// What isn't given is not there: no limit, no file, no description beside one's own.
bool MayBeAbsent(const google::protobuf::FieldDescriptor& field) {
  static const std::set<std::string> names = {
      "clip_min",           "clip_max",          "tls",         "token_file",
      "replay_token_file",  "ca_file",           "describe",    "input",
      "key_file",           "reward_token_file", "server_name", "model_version",
      "learner_token_file", "certificate_file"};
  return names.count(field.name()) > 0;
}

void ExpectAllSet(const google::protobuf::Message& message, const std::string& path) {
  const google::protobuf::Descriptor& type = *message.GetDescriptor();
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  for (int i = 0; i < type.field_count(); ++i) {
    const google::protobuf::FieldDescriptor* field = type.field(i);
    const std::string key = absl::StrCat(path, ".", field->name());
    if (HasNoMeaning(message, *field)) {
      EXPECT_FALSE(reflection.HasField(message, field)) << key;
    } else if (field->is_repeated()) {
      for (int j = 0; j < reflection.FieldSize(message, field); ++j) {
        if (field->message_type() == nullptr) break;
        ExpectAllSet(reflection.GetRepeatedMessage(message, field, j), key);
      }
    } else if (reflection.HasField(message, field)) {
      if (field->message_type()) ExpectAllSet(reflection.GetMessage(message, field), key);
      if (field->enum_type()) {
        EXPECT_NE(reflection.GetEnumValue(message, field), 0) << key;
      }
    } else if (!MayBeAbsent(*field)) {
      EXPECT_NE(field->real_containing_oneof(), nullptr) << key << " has no default";
    }
  }
}

TEST(FillDefaults, LeavesNothingUnset) {
  ExpectAllSet(Load(kGrid), "");
  ExpectAllSet(Load("environment: {sequence: {}}\n"
                    "reward: {sequence_modes: {}}\n"
                    "reward_shaping: {objectives: [{name: a}]}\n"
                    "objective: {var_grad: {}}\n"
                    "replay: {tables: [{name: a, selector: uniform}]}\n"),
               "");
  ExpectAllSet(Load(std::string(kGrid) + "replay: {tables: [{name: a, selector: prioritised}]}\n"),
               "");
  ExpectAllSet(
      Load(std::string(kGrid) +
           "reward_shaping: {objectives: [{name: a}]}\n"
           "cluster: {tls: {certificate_file: c, key_file: k}}\n"
           "reward: {hypergrid: {}, oracles: [{name: a, grpc: {addresses: ['127.0.0.1:1']}},\n"
           " {name: b, objectives: [b], process: {command: [b]}},\n"
           " {name: c, objectives: [c], http: {url: 'http://127.0.0.1:1/'}}]}\n"),
      "");
}

TEST(ParseRunConfig, ListsOfStringsAreReadReplacedAndPrinted) {
  const std::string yaml = std::string(kGrid) +
                           "reward_shaping: {objectives: [{name: a}]}\n"
                           "reward: {oracles: [{name: x, objectives: [a, b], process:\n"
                           "  {command: [python3, -u, 'a b.py', \"1\"]}}]}\n";
  v1::RunConfig config = Load(yaml);
  ASSERT_EQ(config.reward().oracles(0).process().command_size(), 4);
  EXPECT_EQ(config.reward().oracles(0).process().command(2), "a b.py");
  EXPECT_EQ(config.reward().oracles(0).objectives_size(), 2);
  EXPECT_EQ(PrintRunConfig(Load(PrintRunConfig(config))), PrintRunConfig(config));
  ConfigPlaces places;
  ASSERT_EQ(SetByPath("reward.oracles.0.process.command", "[other]", "--set", config, places),
            absl::OkStatus());
  ASSERT_EQ(config.reward().oracles(0).process().command_size(), 1) << "replaced, not added to";
  EXPECT_THAT(SetByPath("reward.oracles.0.objectives.0", "a", "--set", config, places).message(),
              HasSubstr("reward.oracles.0.objectives is a list of strings, which is given whole"));
  EXPECT_THAT(SetByPath("reward.oracles.0.objectives", "[[a]]", "--set", config, places).message(),
              HasSubstr("reward.oracles.0.objectives.0: expected a string, found a list"));
}

TEST(FillDefaults, OraclesOfTheUsersOwnReplaceTheGridsReward) {
  const v1::RunConfig config =
      Load(std::string(kGrid) +
           "reward_shaping: {objectives: [{name: a}]}\n"
           "reward: {oracles: [{name: a, grpc: {addresses: ['127.0.0.1:1']}}]}\n");
  EXPECT_EQ(config.reward().oracle_case(), v1::RewardConfig::ORACLE_NOT_SET);
  EXPECT_EQ(config.reward_shaping().scale(), v1::REWARD_SCALE_LINEAR);
  EXPECT_FALSE(config.reward().oracles(0).has_describe()) << "it describes itself";
}

TEST(FillDefaults, ChoosesByWhatIsConfigured) {
  const v1::RunConfig grid = Load(kGrid);
  EXPECT_TRUE(grid.reward().has_hypergrid());
  EXPECT_EQ(grid.reward_shaping().scale(), v1::REWARD_SCALE_LINEAR);
  EXPECT_EQ(grid.replay().tables(0).name(), "fresh");
  EXPECT_EQ(grid.replay().tables(0).max_times_sampled(), 1);
  EXPECT_EQ(grid.replay().sampling(0).table(), "fresh");
  const v1::RunConfig bits = Load(
      "environment: {sequence: {max_length: 60, word_length: 2}}\n"
      "reward: {bit_sequence: {}}\n"
      "replay: {tables: [{name: a, selector: uniform}]}\n"
      "actor: {exploration: {epsilon: 0.2}}\n");
  EXPECT_EQ(bits.reward_shaping().scale(), v1::REWARD_SCALE_LOG);
  EXPECT_EQ(bits.reward().bit_sequence().found_distance(), 30);
  EXPECT_EQ(bits.environment().sequence().min_length(), 60);
  EXPECT_EQ(bits.replay().tables(0).max_times_sampled(), 0);
  EXPECT_EQ(bits.actor().exploration().epsilon_final(), 0.2);
  const v1::RunConfig prioritised =
      Load(std::string(kGrid) + "replay: {tables: [{name: a, selector: prioritised}]}\n");
  EXPECT_EQ(prioritised.replay().tables(0).max_times_sampled(), 0);
  EXPECT_EQ(prioritised.replay().tables(0).priority_exponent(), 1);
  EXPECT_EQ(prioritised.replay().tables(0).priority(), v1::REPLAY_PRIORITY_CLIENT);
}

TEST(ConfigNames, NearestNameNeedsOnlyASlipOfTheKeyboard) {
  const std::vector<std::string> names = {"max_steps", "batch_trajectories", "seed"};
  EXPECT_EQ(NearestName("max_step", names), "max_steps");
  EXPECT_EQ(NearestName("MAX_STEPS", names), "max_steps");
  EXPECT_EQ(NearestName("batchtrajectories", names), "batch_trajectories");
  EXPECT_EQ(NearestName("esed", names), "seed");
  EXPECT_EQ(NearestName("zzzz", names), "");
  EXPECT_EQ(NearestName("", names), "");
}

}  // namespace
}  // namespace anabranch
