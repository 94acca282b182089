#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "runtime/config.h"

namespace anabranch {
namespace {

using ::testing::HasSubstr;

constexpr char kGrid[] = "environment: {hypergrid: {side: 8}}\n";

std::string Refusal(const std::string& yaml) {
  const absl::Status status = ParseRunConfig(yaml, "run.yaml").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status << "\nfor\n" << yaml;
  return std::string(status.message());
}

// With a sound environment in line 1.
std::string GridRefusal(const std::string& yaml) { return Refusal(absl::StrCat(kGrid, yaml)); }

TEST(ValidateRunConfig, NamesPlaceKeyValueAndRemedy) {
  EXPECT_EQ(Refusal("environment:\n  hypergrid:\n    side: 1\n"),
            "run.yaml:3:11: environment.hypergrid.side is 1, must be at least 2; a grid of one "
            "cell leaves nothing to choose");
}

TEST(ValidateRunConfig, ReportsAllProblemsAtOnce) {
  EXPECT_EQ(Refusal("environment:\n  hypergrid:\n    dimensions: 0\n    r0: 0\n"),
            "run.yaml:3:17: environment.hypergrid.dimensions is 0, must be at least 1; raise it\n"
            "run.yaml:4:9: environment.hypergrid.r0 is 0, must be finite and above 0; raise it");
}

TEST(ValidateRunConfig, HoldsForMessagesMadeInCode) {
  v1::RunConfig config;
  config.mutable_environment()->mutable_hypergrid()->set_side(8);
  FillDefaults(config);
  EXPECT_TRUE(ValidateRunConfig(config).ok()) << ValidateRunConfig(config);
  config.mutable_learner()->set_batch_trajectories(0);
  EXPECT_EQ(ValidateRunConfig(config).message(),
            "learner.batch_trajectories is 0, must be from 1 to 1048576; 16 is a good start");
}

TEST(ValidateRunConfig, DeviceMustBeOneThatCanExist) {
  for (const std::string device : {"auto", "cpu", "cuda:0", "cuda:12"}) {
    EXPECT_TRUE(ParseRunConfig(absl::StrCat(kGrid, "device: ", device), "run.yaml").ok()) << device;
  }
  for (const std::string device :
       {"gpu", "cuda", "\"cuda:\"", "cuda:-1", "cuda:x", "cuda:cpu", "cuda:auto", "\"\""}) {
    EXPECT_THAT(GridRefusal(absl::StrCat("device: ", device)),
                HasSubstr("which is no device; write auto, cpu or cuda:N"))
        << device;
  }
}

TEST(ValidateRunConfig, RunNameMustNameAFolder) {
  for (const std::string name : {"\"\"", "..", "a/b", "a b", ".hidden"}) {
    EXPECT_THAT(GridRefusal(absl::StrCat("run_name: ", name)), HasSubstr("can't name a folder"));
  }
}

TEST(ValidateRunConfig, SequencesMustMakeSense) {
  const auto refusal = [](const std::string& fields) {
    return Refusal(absl::StrCat("environment: {sequence: {", fields,
                                "}}\nreward: {bit_sequence: {modes: 1}}\n"));
  };
  EXPECT_THAT(refusal("alphabet: a"), HasSubstr("must have at least 2 letters"));
  EXPECT_THAT(refusal("alphabet: aba"), HasSubstr("with a letter given twice"));
  EXPECT_THAT(refusal("alphabet: \"a b\""), HasSubstr("with letters that don't print"));
  EXPECT_THAT(refusal("max_length: 0"), HasSubstr("max_length is 0, must be at least 1"));
  EXPECT_THAT(refusal("min_length: 9"),
              HasSubstr("min_length is 9, must be at most max_length, 8"));
  EXPECT_THAT(refusal("word_length: 0"), HasSubstr("word_length is 0, must be at least 1"));
  EXPECT_THAT(refusal("word_length: 64"), HasSubstr("makes more than 1048576 tokens"));
}

TEST(ValidateRunConfig, AnEnvironmentWithoutRewardNeedsOne) {
  EXPECT_THAT(Refusal("environment: {sequence: {}}\n"),
              HasSubstr("run.yaml: reward is missing, and this environment has none of its own"));
}

TEST(ValidateRunConfig, RewardMustFitTheEnvironment) {
  EXPECT_EQ(GridRefusal("reward: {bit_sequence: {}}\n"),
            "run.yaml:2:24: reward.bit_sequence needs environment.sequence; choose that or another "
            "reward");
  EXPECT_THAT(Refusal("environment: {sequence: {}}\nreward: {hypergrid: {}}\n"),
              HasSubstr("reward.hypergrid needs environment.hypergrid"));
  const auto bits = [](const std::string& fields, const std::string& reward) {
    return Refusal(absl::StrCat("environment: {sequence: {", fields, "}}\nreward: {bit_sequence: {",
                                reward, "}}\n"));
  };
  EXPECT_THAT(bits("alphabet: ACGT", "modes: 1"), HasSubstr("must be \"01\" for bit_sequence"));
  EXPECT_THAT(bits("min_length: 1", "modes: 1"), HasSubstr("must equal max_length, 8"));
  EXPECT_THAT(bits("max_length: 12", "modes: 1"), HasSubstr("12 bits, must make a multiple of 8"));
  EXPECT_THAT(bits("max_length: 8", "modes: 6"), HasSubstr("8 bits have only 5 modes"));
  EXPECT_THAT(bits("max_length: 8", "modes: 0"), HasSubstr("modes is 0, must be at least 1"));
  EXPECT_THAT(bits("max_length: 8", "modes: 1, scale: 0"), HasSubstr("scale is 0, must be"));
}

TEST(ValidateRunConfig, SequenceModesMustExist) {
  EXPECT_THAT(GridRefusal("reward: {sequence_modes: {}}\n"),
              HasSubstr("run.yaml:2:26: reward.sequence_modes needs environment.sequence"));
  const std::string sequence = "environment: {sequence: {alphabet: ACG, max_length: 2}}\n";
  EXPECT_THAT(Refusal(sequence + "reward: {sequence_modes: {modes: 10}}\n"),
              HasSubstr("modes is 10, but there are only 9 sequences of the greatest length"));
  EXPECT_THAT(Refusal(sequence + "reward: {sequence_modes: {modes: 0}}\n"),
              HasSubstr("modes is 0, must be at least 1"));
}

TEST(ValidateRunConfig, ShapingMustYieldAFiniteLogReward) {
  EXPECT_THAT(GridRefusal("reward_shaping: {exponent: 0}"),
              HasSubstr("run.yaml:2:28: reward_shaping.exponent is 0"));
  EXPECT_THAT(GridRefusal("reward_shaping: {objectives: [{name: a, weight: -1}]}"),
              HasSubstr("reward_shaping.objectives.0.weight is -1, must be finite and at least 0"));
  EXPECT_THAT(GridRefusal("reward_shaping: {objectives: [{name: a, weight: 0}]}"),
              HasSubstr("reward_shaping.objectives have no weight"));
  EXPECT_THAT(GridRefusal("reward_shaping: {objectives: [{name: a}, {name: a}]}"),
              HasSubstr("reward_shaping.objectives.1.name is a, which stands before"));
  EXPECT_THAT(GridRefusal("reward_shaping: {objectives: [{weight: 1}]}"),
              HasSubstr("reward_shaping.objectives.0.name is missing"));
  const auto objective = [](const std::string& rest) {
    return GridRefusal("reward_shaping: {objectives: [{name: a, " + rest + "}]}");
  };
  EXPECT_THAT(objective("clip_min: 2, clip_max: 1"),
              HasSubstr("objectives.0.clip_max is 1, must be at least clip_min, 2; raise it"));
  EXPECT_THAT(objective("min_max: {from: 3, to: 3}"),
              HasSubstr("min_max.to is 3, which is min_max.from"));
  EXPECT_THAT(objective("min_max: {from: 3}"), HasSubstr("min_max.to is missing"));
  EXPECT_THAT(objective("sigmoid: {midpoint: 3, slope: 0}"), HasSubstr("sigmoid.slope is 0"));
  EXPECT_THAT(objective("gaussian: {target: 3}"), HasSubstr("gaussian.width is 0"));
  EXPECT_THAT(objective("direction: minimize"), HasSubstr("is minimize on a linear scale"));
  EXPECT_THAT(objective("direction: minimize, min_max: {from: 0, to: 1}"),
              HasSubstr("beside a desirability"));
  EXPECT_THAT(GridRefusal("reward_shaping: {scale: log, scalarisation: product}"),
              HasSubstr("reward_shaping.scalarisation multiplies"));
}

TEST(ValidateRunConfig, AnOracleMustSayHowItIsAsked) {
  const auto oracle = [](const std::string& rest) {
    return GridRefusal("reward_shaping: {objectives: [{name: a}]}\nreward: {oracles: [{name: x, " +
                       rest + "}]}");
  };
  EXPECT_THAT(oracle("free: true"), HasSubstr("reward.oracles.0 says not how it is reached"));
  EXPECT_THAT(oracle("grpc: {}"), HasSubstr("grpc.addresses is missing; write HOST:PORT"));
  EXPECT_THAT(oracle("grpc: {addresses: [nowhere]}"), HasSubstr("grpc.addresses.0"));
  EXPECT_THAT(oracle("grpc: {addresses: ['a:1', 'a:1']}"),
              HasSubstr("addresses.1 is \"a:1\", which stands before"));
  EXPECT_THAT(oracle("grpc: {addresses: ['a:1'], token_file: t}"),
              HasSubstr("token_file is a secret that would travel in the clear; give tls"));
  EXPECT_THAT(oracle("grpc: {addresses: ['a:1']}, describe: {version: '2'}"),
              HasSubstr("describe stands beside grpc"));
  EXPECT_THAT(oracle("process: {command: [a]}"), HasSubstr("oracles.0.objectives is missing"));
  EXPECT_THAT(oracle("objectives: [a], process: {}"), HasSubstr("process.command is missing"));
  EXPECT_THAT(oracle("objectives: [a, a], process: {command: [a]}"),
              HasSubstr("objectives.1 is \"a\", which is empty or stands before"));
  EXPECT_THAT(oracle("objectives: [a], http: {url: 'ftp://x'}"),
              HasSubstr("url is \"ftp://x\", must begin with http:// or https://"));
  EXPECT_THAT(oracle("objectives: [a], http: {url: 'http://x/', token_file: t}"),
              HasSubstr("in the clear; use https"));
  EXPECT_THAT(oracle("objectives: [a], open_inference: {addresses: ['a:1']}"),
              HasSubstr("open_inference.model is missing"));
  EXPECT_THAT(oracle("grpc: {addresses: ['a:1'], tls: {key_file: k}}"),
              HasSubstr("tls.certificate_file is missing beside key_file"));
  EXPECT_THAT(oracle("grpc: {addresses: ['a:1']}, max_in_flight: 0"),
              HasSubstr("max_in_flight is 0, must be from 1 to 1024"));
  EXPECT_THAT(oracle("grpc: {addresses: ['a:1']}, timeout_seconds: 0"),
              HasSubstr("timeout_seconds is 0"));
  EXPECT_THAT(oracle("grpc: {addresses: ['a:1']}}, {name: x, grpc: {addresses: ['b:1']}"),
              HasSubstr("oracles.1.name is \"x\", which another oracle has"));
  EXPECT_THAT(GridRefusal("reward: {oracles: [{name: x, grpc: {addresses: ['a:1']}}]}"),
              HasSubstr("reward_shaping.objectives is missing"));
  EXPECT_THAT(GridRefusal("reward: {budget: {max_cost: -1}}"), HasSubstr("max_cost is -1"));
}

TEST(ValidateRunConfig, SecretsNeedEncryption) {
  EXPECT_THAT(GridRefusal("cluster: {replay_token_file: t}"),
              HasSubstr("cluster.replay_token_file is a secret that would travel in the clear"));
  EXPECT_THAT(GridRefusal("cluster: {tls: {ca_file: c}}"),
              HasSubstr("cluster.tls.certificate_file is missing; every process of the cluster"));
  EXPECT_THAT(GridRefusal("cluster: {tls: {certificate_file: c, key_file: k, "
                          "require_client_certificate: true}}"),
              HasSubstr("cluster.tls.ca_file is missing beside require_client_certificate"));
}

TEST(ValidateRunConfig, ExplorationIsAShare) {
  EXPECT_THAT(GridRefusal("actor: {exploration: {epsilon: 1.5}}"),
              HasSubstr("actor.exploration.epsilon is 1.5, must be between 0 and 1"));
  EXPECT_THAT(GridRefusal("actor: {exploration: {temperature: 0}}"),
              HasSubstr("actor.exploration.temperature is 0, must be finite and above 0"));
  EXPECT_THAT(GridRefusal("actor: {max_pending_batches: 0}"),
              HasSubstr("actor.max_pending_batches is 0, must be at least 1"));
}

TEST(ValidateRunConfig, SharesMustNameTablesAndSumToOne) {
  const std::string tables = "replay:\n  tables: [{name: a}, {name: b, selector: uniform}]\n";
  EXPECT_THAT(GridRefusal(tables), HasSubstr("run.yaml:3:3: replay.sampling is missing"));
  EXPECT_THAT(GridRefusal(tables + "  sampling: [{table: a, share: 0.5}]\n"),
              HasSubstr("run.yaml:4:13: replay.sampling is shares of 0.5 together, must be 1"));
  EXPECT_THAT(GridRefusal(tables + "  sampling: [{table: c, share: 1}]\n"),
              HasSubstr("run.yaml:4:22: replay.sampling.0.table is \"c\", which is no table"));
  EXPECT_THAT(
      GridRefusal(tables + "  sampling: [{table: a, share: 0.5}, {table: a, share: 0.5}]\n"),
      HasSubstr("replay.sampling.1.table is a, which stands before"));
  EXPECT_THAT(GridRefusal(tables + "  sampling: [{table: a, share: 1}, {table: b, share: 0}]\n"),
              HasSubstr("replay.sampling.1.share is 0, must be finite and above 0"));
}

TEST(ValidateRunConfig, TablesMustLetTheLearnerGoOn) {
  EXPECT_THAT(GridRefusal("replay: {tables: [{name: a}, {name: a}]}"),
              HasSubstr("replay.tables.1.name is a, which another table has"));
  EXPECT_THAT(GridRefusal("replay: {tables: [{max_items: 100}]}"),
              HasSubstr("replay.tables.0.name is missing"));
  EXPECT_THAT(GridRefusal("replay: {tables: [{name: a, max_items: 15}]}"),
              HasSubstr("replay.tables.0.max_items is 15, must be at least "
                        "learner.batch_trajectories, 16"));
  EXPECT_EQ(GridRefusal("learner: {samples_per_insert: 2}"),
            "run.yaml:2:31: learner.samples_per_insert is 2, but table \"fresh\" gives each item 1 "
            "times at most; lower it, or raise the table's max_times_sampled");
}

TEST(ValidateRunConfig, TheLearnerMustBeAbleToLearn) {
  EXPECT_THAT(GridRefusal("learner: {max_steps: 0}"), HasSubstr("learner.max_steps is 0"));
  EXPECT_THAT(GridRefusal("learner: {samples_per_insert: 0}"),
              HasSubstr("learner.samples_per_insert is 0, must be finite and above 0"));
  EXPECT_THAT(GridRefusal("learner: {publish_every_steps: 0}"),
              HasSubstr("learner.publish_every_steps is 0"));
  EXPECT_THAT(GridRefusal("learner: {checkpoint: {keep: 0}}"),
              HasSubstr("learner.checkpoint.keep is 0"));
  const auto optimizer = [](const std::string& fields) {
    return GridRefusal(absl::StrCat("learner: {optimizer: {", fields, "}}"));
  };
  EXPECT_THAT(optimizer("learning_rate: 0"), HasSubstr("learner.optimizer.learning_rate is 0"));
  EXPECT_THAT(optimizer("log_z_learning_rate: -1"), HasSubstr("log_z_learning_rate is -1"));
  EXPECT_THAT(optimizer("beta1: 1"), HasSubstr("beta1 is 1, must be at least 0 and below 1"));
  EXPECT_THAT(optimizer("beta2: -0.1"), HasSubstr("beta2 is -0.1"));
  EXPECT_THAT(optimizer("epsilon: 0"), HasSubstr("learner.optimizer.epsilon is 0"));
  EXPECT_THAT(optimizer("weight_decay: -1"), HasSubstr("weight_decay is -1"));
  EXPECT_THAT(optimizer("max_gradient_norm: -1"), HasSubstr("max_gradient_norm is -1"));
  EXPECT_THAT(optimizer("schedule: {final_fraction: 2}"), HasSubstr("final_fraction is 2"));
  EXPECT_THAT(optimizer("schedule: {warmup_steps: 10001}"),
              HasSubstr("warmup_steps is 10001, must be at most the steps of the decay, 10000"));
}

TEST(ValidateRunConfig, ProcessesOfAClusterHaveAddressesOfTheirOwn) {
  EXPECT_EQ(GridRefusal("cluster: {replay_address: localhost}"),
            "run.yaml:2:27: cluster.replay_address is \"localhost\", which has no port; write "
            "HOST:PORT, such as 127.0.0.1:7401");
  EXPECT_THAT(GridRefusal("cluster: {reward_address: \"http://db:7402\"}"),
              HasSubstr("cluster.reward_address is \"http://db:7402\", where an IPv6 address"));
  EXPECT_THAT(GridRefusal("cluster: {learner_address: db:65536}"),
              HasSubstr("cluster.learner_address is \"db:65536\", whose port is no number"));
  EXPECT_THAT(GridRefusal("cluster: {learner_address: ':7403'}"),
              HasSubstr("cluster.learner_address is \":7403\", which names no host"));
  EXPECT_THAT(GridRefusal("cluster: {learner_address: \"127.0.0.1:7401\"}"),
              HasSubstr("cluster.learner_address is 127.0.0.1:7401, which another role has"));
  const std::string free =
      "cluster: {replay_address: \"h:0\", reward_address: \"h:0\", learner_address: \"h:0\"}";
  EXPECT_TRUE(ParseRunConfig(absl::StrCat(kGrid, free), "run.yaml").ok());
}

TEST(ValidateRunConfig, WaitsAndWindowsAreNotNothing) {
  EXPECT_THAT(GridRefusal("actor: {reward_timeout_seconds: 0}"),
              HasSubstr("actor.reward_timeout_seconds is 0, must be finite and above 0"));
  EXPECT_THAT(GridRefusal("replay: {lease_timeout_seconds: -1}"),
              HasSubstr("replay.lease_timeout_seconds is -1, must be finite and above 0"));
  EXPECT_THAT(GridRefusal("learner: {prefetch_batches: 0}"),
              HasSubstr("learner.prefetch_batches is 0, must be at least 1"));
  EXPECT_THAT(GridRefusal("learner: {build_threads: 257}"),
              HasSubstr("learner.build_threads is 257, must be at most 256"));
}

TEST(ValidateRunConfig, PrioritiesBelongToPrioritisedTables) {
  const auto table = [](const std::string& fields) {
    return GridRefusal(absl::StrCat("replay: {tables: [{name: a, ", fields, "}]}"));
  };
  EXPECT_THAT(table("selector: uniform, priority_exponent: 1"),
              HasSubstr("replay.tables.0.selector is one without priorities, but priority or "
                        "priority_exponent is given; choose prioritised"));
  EXPECT_THAT(table("priority: loss"), HasSubstr("choose prioritised"));
  EXPECT_THAT(table("selector: prioritised, priority_exponent: -0.5"),
              HasSubstr("replay.tables.0.priority_exponent is -0.5, must be finite and at least"));
}

TEST(ValidateRunConfig, NetworksAndMetricsHaveASize) {
  EXPECT_THAT(GridRefusal("policy: {mlp: {hidden_layers: 0}}"),
              HasSubstr("policy.mlp.hidden_layers is 0, must be from 1 to 64"));
  EXPECT_THAT(GridRefusal("policy: {mlp: {hidden_width: 100000}}"),
              HasSubstr("policy.mlp.hidden_width is 100000, must be from 1 to 65536"));
  EXPECT_THAT(GridRefusal("evaluation: {top_k: 0}"), HasSubstr("evaluation.top_k is 0"));
}

}  // namespace
}  // namespace anabranch
