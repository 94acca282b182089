// Embedded runs on oracles and budgets: the reward process's own gateway in this process.
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "cli/train/embedded_run.h"
#include "learner/run_directory.h"
#include "nlohmann/json.hpp"
#include "tests/cli/train/run_fixture.h"

namespace anabranch {
namespace {

using ::testing::HasSubstr;

constexpr char kGrid[] = R"(
environment: {hypergrid: {dimensions: 2, side: 8, r0: 0.1}}
policy: {mlp: {hidden_layers: 1, hidden_width: 16}}
learner: {max_steps: 40, batch_trajectories: 4}
)";

// In two threads and in lock-step.
class BudgetTest : public RunFixture, public testing::WithParamInterface<bool> {
 protected:
  EmbeddedRunOptions Options(std::vector<std::string> flags) {
    EmbeddedRunOptions options;
    options.config = Config(kGrid, std::move(flags));
    options.directory = Path("run");
    options.deterministic = GetParam();
    return options;
  }
  EmbeddedRunOptions Budgeted(std::vector<std::string> flags) {
    flags.push_back("learner.max_steps=4000");
    return Options(std::move(flags));
  }
};

TEST_P(BudgetTest, ARunWhoseBudgetIsSpentEndsInOrderWithItsResults) {
  auto summary = Train(Budgeted({"reward.budget.max_evaluations=20"}));
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_TRUE(summary->finished);
  EXPECT_THAT(summary->end_reason, HasSubstr("20 evaluations"));
  const auto json = nlohmann::json::parse(*PosixFileSystem()->Read(Path("run/summary.json")));
  EXPECT_EQ(json["end_reason"], summary->end_reason);
  EXPECT_GE(json["trajectories"], 20);
  EXPECT_LT(json["step"], 4000);
  // All that the budget bought is trained on, but for what doesn't fill a batch of four.
  EXPECT_GE(json["step"].get<int64_t>() * 4 + 3, json["unique_objects"]);
  EXPECT_EQ(OpenRun(*PosixFileSystem(), Path("run"))->checkpoint.manifest.step(), json["step"]);
}

TEST_P(BudgetTest, WhatWasSpentIsRememberedAndAHigherBudgetGoesOn) {
  auto first = Train(Budgeted({"reward.budget.max_evaluations=20"}));
  ASSERT_TRUE(first.ok()) << first.status();
  auto options = Budgeted({"reward.budget.max_evaluations=30"});
  options.resume_from = Path("run");
  auto raised = Train(std::move(options));
  ASSERT_TRUE(raised.ok()) << raised.status();
  EXPECT_THAT(raised->end_reason, HasSubstr("30 evaluations"));
  EXPECT_GE(raised->metrics["unique_objects"], first->metrics["unique_objects"]);
}

INSTANTIATE_TEST_SUITE_P(EmbeddedRun, BudgetTest, testing::Bool(),
                         [](const auto& mode) { return mode.param ? "LockStep" : "TwoThreads"; });

// An oracle that is a program, with all that defaults would fill in.
constexpr char kProgramOracle[] = R"(
  name: "script" objectives: "worth" max_wait_seconds: 0.001 max_in_flight: 8 timeout_seconds: 5
  max_tries: 100 circuit { failures: 1000 open_seconds: 0.1 }
  describe { version: "1" deterministic: true }
  process { command: "python3" protocol: PROCESS_PROTOCOL_JSON_LINES processes: 1 }
)";

class OracleTest : public BudgetTest {
 protected:
  EmbeddedRunOptions WithOracle(const std::string& program, std::vector<std::string> flags) {
    const std::string path = Path("oracle.py");
    EXPECT_TRUE(PosixFileSystem()->WriteAndSync(path, program).ok());
    flags.push_back("reward_shaping.objectives=[{name: worth}]");
    EmbeddedRunOptions options = Options(std::move(flags));
    v1::RewardConfig& reward = *options.config.mutable_reward();
    reward.Clear();  // Nobody but the oracle knows the values.
    v1::OracleConfig& oracle = *reward.add_oracles();
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(kProgramOracle, &oracle));
    oracle.mutable_process()->add_command(path);
    return options;
  }
};

TEST_P(OracleTest, TrainsOnAProgramsValuesAndNoOthers) {
  auto summary = Train(WithOracle(R"(
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    values = [7.0 if o.startswith("0") else 3.0 for o in asked["objects"]]
    print(json.dumps({"id": asked["id"], "values": {"worth": values}}), flush=True)
)",
                                  {}));
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->metrics["step"], 40);
  EXPECT_EQ(summary->metrics["rejected_trajectories"], 0);
  const auto& seen = summary->metrics["trained_log_reward"];
  EXPECT_NEAR(std::exp(seen["max"].get<double>()), 7, 1e-3);
  EXPECT_NEAR(std::exp(seen["p10"].get<double>()), 3, 1e-3);
}

TEST_P(OracleTest, AStopEndsTheWaitForAnOracleThatFailsAgainAndAgain) {
  const std::string asked = Path("asked");
  auto options = WithOracle("import sys\nsys.stdin.readline()\nopen('" + asked + "', 'w')\n", {});
  options.stop_requested = [asked](int64_t) { return *PosixFileSystem()->Exists(asked); };
  auto summary = Train(std::move(options));
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_FALSE(summary->finished);
  EXPECT_EQ(summary->metrics["step"], 0);
  EXPECT_EQ(Tree(Path("run")).count("summary.json"), 1);
}

INSTANTIATE_TEST_SUITE_P(EmbeddedRun, OracleTest, testing::Bool(),
                         [](const auto& mode) { return mode.param ? "LockStep" : "TwoThreads"; });

}  // namespace
}  // namespace anabranch
