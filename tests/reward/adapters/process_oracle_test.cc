#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "reward/adapters/oracle_adapters.h"
#include "runtime/error_reason.h"
#include "runtime/file_system.h"
#include "tests/reward/adapters/questions.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr absl::Duration kPatience = absl::Seconds(60);
constexpr char kWayward[] = "tests/reward/adapters/peers/wayward_program.py";

v1::OracleConfig Program(const std::vector<std::string>& command, double timeout_seconds = 60) {
  v1::OracleConfig config = OracleWith({"length", "pid"}, timeout_seconds);
  for (const std::string& word : command) config.mutable_process()->add_command(word);
  config.mutable_process()->set_protocol(v1::PROCESS_PROTOCOL_JSON_LINES);
  config.mutable_process()->set_processes(1);
  return config;
}

v1::OracleConfig Wayward(double timeout_seconds = 60) {
  return Program({"python3", "-B", kWayward}, timeout_seconds);
}

v1::OracleConfig Shell(const std::string& script, double timeout_seconds = 60) {
  return Program({"/bin/sh", "-c", script}, timeout_seconds);
}

v1::OracleConfig OneShot(v1::OracleConfig config) {
  config.mutable_process()->set_protocol(v1::PROCESS_PROTOCOL_ONE_SHOT);
  return config;
}

std::unique_ptr<RewardClient> Make(const v1::OracleConfig& config, Log& log = NullLog()) {
  AdapterOptions options;
  options.log = &log;
  auto oracle = MakeProcessOracle(config, options);
  EXPECT_TRUE(oracle.ok()) << oracle.status();
  return oracle.ok() ? *std::move(oracle) : nullptr;
}

// The process that answers; 0 where none does.
pid_t PidOf(RewardClient& oracle) {
  const auto answer = oracle.Evaluate(Question({"who"}, {"pid"}));
  EXPECT_TRUE(answer.ok()) << answer.status();
  return answer.ok() ? static_cast<pid_t>(answer->raw_values(0)) : 0;
}

// Whether the process is gone before long, and reaped: a zombie still has its folder in /proc.
bool IsGone(pid_t pid) {
  const absl::Time deadline = absl::Now() + kPatience;
  const std::string folder = absl::StrCat("/proc/", pid);
  while (access(folder.c_str(), F_OK) == 0) {
    if (absl::Now() > deadline) return false;
  }
  return true;
}

TEST(ProcessOracle, ValuesComeInTheOrderAskedFor) {
  auto oracle = Make(Wayward());
  const auto answer = oracle->Evaluate(Question({"a", "ccc", "bb", "a"}, {"pid", "length"}));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->request_id(), "q");
  EXPECT_THAT(answer->objectives(), ElementsAre("pid", "length"));
  const double pid = answer->raw_values(0);
  EXPECT_THAT(answer->raw_values(), ElementsAre(pid, 1, pid, 3, pid, 2, pid, 1));
  EXPECT_THAT(answer->statuses(), testing::Each(v1::OBJECT_STATUS_OK));
  EXPECT_EQ(answer->statuses_size(), 4);
  EXPECT_THAT(answer->reasons(), IsEmpty());
  EXPECT_EQ(PidOf(*oracle), pid) << "it stays alive";
}

TEST(ProcessOracle, DescribesItselfByItsConfiguration) {
  v1::OracleConfig config = Wayward();
  config.mutable_describe()->set_version("2024b");
  config.mutable_describe()->set_deterministic(false);
  config.mutable_describe()->add_formats("smiles");
  auto oracle = Make(config);
  const auto description = oracle->Describe({});
  ASSERT_TRUE(description.ok()) << description.status();
  EXPECT_EQ(description->name(), "mine");
  EXPECT_EQ(description->fingerprint(),
            absl::StrCat("process mine 2024b json_lines command=python3 -B ", kWayward));
  EXPECT_EQ(description->objectives_size(), 2);
  EXPECT_EQ(description->objectives(1).name(), "pid");
  EXPECT_THAT(description->accepted_formats(), ElementsAre("smiles"));
  EXPECT_FALSE(description->deterministic());
}

TEST(ProcessOracle, WrongQuestionsAreRefusedAndName) {
  v1::OracleConfig config = Wayward();
  config.mutable_describe()->add_formats("smiles");
  auto oracle = Make(config);
  const auto refusal = [&](const v1::EvaluateRequest& request) {
    return oracle->Evaluate(request).status();
  };
  v1::EvaluateRequest request = Question({"a"}, {"width"});
  EXPECT_TRUE(absl::IsInvalidArgument(refusal(request)));
  EXPECT_THAT(refusal(request).ToString(), AllOf(HasSubstr("width"), HasSubstr("length, pid")));
  request = Question({"a"});
  request.set_format("grid");
  EXPECT_TRUE(absl::IsInvalidArgument(refusal(request)));
  EXPECT_THAT(refusal(request).ToString(), AllOf(HasSubstr("grid"), HasSubstr("smiles")));
  request = Question({"a"});
  request.clear_request_id();
  EXPECT_TRUE(absl::IsInvalidArgument(refusal(request)));
  request = Question({"a"});
  request.add_contexts();
  request.mutable_objects(0)->set_context(1);
  EXPECT_TRUE(absl::IsInvalidArgument(refusal(request)));
  request = Question({"a"});
  request.set_expected_fingerprint("of yesterday");
  EXPECT_TRUE(absl::IsFailedPrecondition(refusal(request)));
  EXPECT_EQ(ReasonOf(refusal(request)), kReasonFingerprintChanged);
  EXPECT_THAT(refusal(request).ToString(),
              AllOf(HasSubstr("of yesterday"), HasSubstr("process mine 1")));
}

TEST(ProcessOracle, AFaultOfOneObjectIsItsStatus) {
  auto oracle = Make(Wayward());
  v1::EvaluateRequest request =
      Question({"good", "none", "nan", "infinite", "text", "\xff", "fine"}, {"length"});
  request.add_objects()->mutable_reference()->set_uri("file:///x");
  const auto answer = oracle->Evaluate(request);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->statuses(), ElementsAre(v1::OBJECT_STATUS_OK, v1::OBJECT_STATUS_INVALID,
                                              v1::OBJECT_STATUS_FAILED, v1::OBJECT_STATUS_FAILED,
                                              v1::OBJECT_STATUS_FAILED, v1::OBJECT_STATUS_INVALID,
                                              v1::OBJECT_STATUS_OK, v1::OBJECT_STATUS_INVALID));
  EXPECT_THAT(answer->raw_values(), ElementsAre(4, 0, 0, 0, 0, 0, 4, 0));
  EXPECT_THAT(answer->reasons(),
              ElementsAre("", "length has no value", "length is NaN", "length is infinite",
                          HasSubstr("much"), HasSubstr("UTF-8"), "", HasSubstr("references")));
}

TEST(ProcessOracle, TheProgramMaySayWhatBecameOfAnObject) {
  auto oracle = Make(Wayward());
  const auto answer = oracle->Evaluate(Question({"statuses", "b", "none"}, {"length"}));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->statuses(), ElementsAre(v1::OBJECT_STATUS_OK, v1::OBJECT_STATUS_RETRYABLE,
                                              v1::OBJECT_STATUS_INVALID));
  EXPECT_THAT(answer->reasons(), ElementsAre("", "too busy", "length has no value: never said"));
}

TEST(ProcessOracle, ACrashFailsItsQuestionAndTheProgramIsStartedAgain) {
  auto oracle = Make(Wayward());
  const pid_t before = PidOf(*oracle);
  const absl::Status status = oracle->Evaluate(Question({"a", "crash"})).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(status.ToString(), HasSubstr("exit status 7"));
  EXPECT_NE(PidOf(*oracle), before);
  EXPECT_TRUE(IsGone(before));
}

// A program that is there at once, whatever else the machine does; "hang" makes it hang, and touch
// the file that is its argument.
constexpr char kQuick[] = R"(while read line; do
    case "$line" in *hang*) [ -z "$1" ] || touch "$1"; exec sleep 3600;; esac
    id=${line#*:}; echo '{"id": '${id%%,*}', "values": {"length": [1], "pid": ['$$']}}'
  done)";

TEST(ProcessOracle, AHangEndsWithTheDeadlineAndTheProgramIsKilled) {
  auto oracle = Make(Shell(kQuick, /*timeout_seconds=*/2));
  const pid_t before = PidOf(*oracle);
  const absl::Status status = oracle->Evaluate(Question({"hang"})).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_TRUE(IsGone(before));
  EXPECT_NE(PidOf(*oracle), before);
}

class Cancelled : public testing::TestWithParam<v1::ProcessProtocol> {};

TEST_P(Cancelled, EndsQuestionsUnderWayAndWaitingOnes) {
  TemporaryDirectory directory;
  v1::OracleConfig config = Program({"/bin/sh", "-c", kQuick, "sh", directory.Path("hangs")});
  config.mutable_process()->set_protocol(GetParam());
  std::vector<std::function<void()>> cancel;
  AdapterOptions options;
  options.cancel = &cancel;
  auto oracle = MakeProcessOracle(config, options);
  ASSERT_TRUE(oracle.ok()) << oracle.status();
  ASSERT_EQ(cancel.size(), 1);
  absl::Status statuses[2];
  std::vector<std::thread> threads;
  for (absl::Status& status : statuses) {
    threads.emplace_back([&] { status = (*oracle)->Evaluate(Question({"hang"})).status(); });
  }
  const absl::Time deadline = absl::Now() + kPatience;
  while (access(directory.Path("hangs").c_str(), F_OK) != 0 && absl::Now() < deadline) {
  }
  EXPECT_EQ(access(directory.Path("hangs").c_str(), F_OK), 0);
  cancel[0]();
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& status : statuses) EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_TRUE(absl::IsCancelled((*oracle)->Evaluate(Question({"who"})).status()));
}

INSTANTIATE_TEST_SUITE_P(ProcessOracle, Cancelled,
                         testing::Values(v1::PROCESS_PROTOCOL_JSON_LINES,
                                         v1::PROCESS_PROTOCOL_ONE_SHOT));

class NoAnswer : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(NoAnswer, FailsTheQuestionAndTheProgramIsKilled) {
  auto oracle = Make(Wayward());
  const pid_t before = PidOf(*oracle);
  const absl::Status status = oracle->Evaluate(Question({GetParam().first})).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_EQ(ReasonOf(status), kReasonMalformedAnswer);
  EXPECT_THAT(status.ToString(), HasSubstr(GetParam().second));
  EXPECT_TRUE(IsGone(before));
  EXPECT_NE(PidOf(*oracle), before);
}

INSTANTIATE_TEST_SUITE_P(ProcessOracle, NoAnswer,
                         testing::Values(std::pair("garbage", "here I am"),
                                         std::pair("deep", "nested"),
                                         std::pair("wrong-id", "has the id 3, where 2"),
                                         std::pair("flood", "longer than 67108864 bytes")));

TEST(ProcessOracle, AWrongCountNamesBothAndCostsNoRestart) {
  auto oracle = Make(Wayward());
  const pid_t before = PidOf(*oracle);
  const absl::Status status = oracle->Evaluate(Question({"a", "short", "b"})).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_EQ(ReasonOf(status), kReasonMalformedAnswer);
  EXPECT_THAT(status.ToString(), AllOf(HasSubstr("2 values of length"), HasSubstr("3 were")));
  EXPECT_EQ(PidOf(*oracle), before);
}

TEST(ProcessOracle, AnObjectiveThatIsNotThereIsNamedBesideThoseThatAre) {
  v1::OracleConfig config = Wayward();
  config.add_objectives("width");
  const absl::Status status = Make(config)->Evaluate(Question({"a"})).status();
  EXPECT_EQ(ReasonOf(status), kReasonMalformedAnswer) << status;
  EXPECT_THAT(status.ToString(), AllOf(HasSubstr("width"), HasSubstr("length, pid")));
}

TEST(ProcessOracle, AnErrorOfTheProgramsIsToldInItsWords) {
  auto oracle = Make(Wayward());
  const pid_t before = PidOf(*oracle);
  const absl::Status status = oracle->Evaluate(Question({"error"})).status();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(status.ToString(), HasSubstr("out of memory, perhaps"));
  EXPECT_EQ(PidOf(*oracle), before);
}

TEST(ProcessOracle, AsManyQuestionsRunAtATimeAsThereArePrograms) {
  TemporaryDirectory place;
  v1::OracleConfig config = Wayward();
  config.mutable_process()->set_processes(2);
  auto oracle = Make(config);
  absl::Status statuses[2];
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] {
      // Each waits for the other to come.
      const std::string object = absl::StrCat("meet:", place.path(), ":", i);
      statuses[i] = oracle->Evaluate(Question({object})).status();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(statuses[0].ok()) << statuses[0];
  EXPECT_TRUE(statuses[1].ok()) << statuses[1];
}

TEST(ProcessOracle, MoreQuestionsThanProgramsWaitTheirTurn) {
  v1::OracleConfig config = Wayward();
  config.mutable_process()->set_processes(2);
  auto oracle = Make(config);
  std::vector<std::thread> threads;
  std::vector<double> values(8);
  for (size_t i = 0; i < values.size(); ++i) {
    threads.emplace_back([&, i] {
      const auto answer = oracle->Evaluate(Question({std::string(i + 1, 'x')}, {"length"}));
      values[i] = answer.ok() ? answer->raw_values(0) : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(values, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
}

TEST(ProcessOracle, AProgramThatDiesIdleLeavesNoZombieAndIsReplaced) {
  auto oracle = Make(Wayward());
  const pid_t before = PidOf(*oracle);
  ASSERT_EQ(kill(before, SIGKILL), 0);
  ASSERT_TRUE(IsGone(before));
  // The death may be noticed by the question that it fails, or before it.
  auto answer = oracle->Evaluate(Question({"who"}, {"pid"}));
  if (absl::IsUnavailable(answer.status())) answer = oracle->Evaluate(Question({"who"}, {"pid"}));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_NE(answer->raw_values(0), before);
}

TEST(ProcessOracle, ProgramsGoWithTheOracle) {
  auto oracle = Make(Wayward());
  const pid_t program = PidOf(*oracle);
  oracle.reset();
  EXPECT_TRUE(IsGone(program));
}

TEST(ProcessOracle, WritingToAProgramThatHasGoneIsAnErrorAndNoSignal) {
  signal(SIGPIPE, SIG_DFL);
  auto oracle = Make(Shell("exec <&-; kill -9 $$"));
  const absl::Status status = oracle->Evaluate(Question({std::string(4 << 20, 'x')})).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(status.ToString(), HasSubstr("SIGKILL"));
}

TEST(ProcessOracle, WhatCannotRunIsRefusedAtOnce) {
  const auto refusal = [](const v1::OracleConfig& config) {
    return MakeProcessOracle(config, {}).status();
  };
  v1::OracleConfig config = Program({"no-such-program-anywhere"});
  EXPECT_TRUE(absl::IsInvalidArgument(refusal(config)));
  EXPECT_THAT(refusal(config).ToString(),
              AllOf(HasSubstr("mine"), HasSubstr("process.command"), HasSubstr("no-such-program")));
  EXPECT_TRUE(absl::IsInvalidArgument(refusal(Program({}))));
  config = Program({"sh"});
  config.mutable_process()->set_processes(0);
  EXPECT_TRUE(absl::IsInvalidArgument(refusal(config)));
  config = Program({"sh"});
  config.add_objectives("length");
  EXPECT_THAT(refusal(config).ToString(), HasSubstr("\"length\" twice"));
  config.clear_objectives();
  EXPECT_THAT(refusal(config).ToString(), HasSubstr("objectives: is empty"));
}

TEST(ProcessOracle, StandardErrorGoesToTheLogLineByLine) {
  LogOptions options;
  options.format = LogFormat::kJson;
  Log log(options);
  testing::internal::CaptureStderr();
  {
    auto oracle = Make(Wayward(), log);
    EXPECT_TRUE(oracle->Evaluate(Question({"say:first", "say:second"})).ok());
  }
  const std::string lines = testing::internal::GetCapturedStderr();
  EXPECT_THAT(lines, AllOf(HasSubstr("\"line\":\"first\""), HasSubstr("\"line\":\"second\"")));
}

TEST(OneShotOracle, EveryQuestionHasAProgramOfItsOwn) {
  auto oracle = Make(OneShot(Shell(
      R"(lines=$(cat | wc -l); echo '{"version": 1, "payload": {"length": ['$lines', 2], "pid": ['$$', '$$']}}')")));
  const auto first = oracle->Evaluate(Question({"CCO", "CC"}));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->raw_values(0), 2) << "both came, one a line";
  const auto second = oracle->Evaluate(Question({"CCO", "CC"}));
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_NE(first->raw_values(1), second->raw_values(1));
  EXPECT_TRUE(IsGone(static_cast<pid_t>(first->raw_values(1))));
}

TEST(OneShotOracle, AnExitStatusFailsTheQuestion) {
  auto oracle = Make(
      OneShot(Shell(R"(echo '{"version": 1, "payload": {"length": [1], "pid": [1]}}'; exit 3)")));
  const absl::Status status = oracle->Evaluate(Question({"CCO"})).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(status.ToString(), HasSubstr("exit status 3"));
}

TEST(OneShotOracle, AProgramNeedNotReadWhatItIsGiven) {
  auto oracle = Make(
      OneShot(Shell(R"(exec <&-; echo '{"version": 1, "payload": {"length": [1], "pid": [2]}}')")));
  const auto answer = oracle->Evaluate(Question({std::string(4 << 20, 'x')}));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->raw_values(), ElementsAre(1, 2));
}

TEST(OneShotOracle, AProgramMayWriteWhileItReads) {
  // More than pipes hold, in both directions at once.
  auto oracle = Make(
      OneShot(Shell(R"(tr x ' '; echo '{"version": 1, "payload": {"length": [1], "pid": [2]}}')")));
  const auto answer = oracle->Evaluate(Question({std::string(4 << 20, 'x')}));
  ASSERT_TRUE(answer.ok()) << answer.status();
}

TEST(OneShotOracle, WhatIsNoDocumentFailsTheQuestion) {
  for (const char* output : {"", "[1]", R"({"version": 1})", R"({"version": 2, "payload": {}})",
                             R"({"version": 1, "payload": {"length": [1, 2], "pid": [1]}})"}) {
    auto oracle = Make(OneShot(Program({"/bin/echo", output})));
    const absl::Status status = oracle->Evaluate(Question({"CCO"})).status();
    EXPECT_TRUE(absl::IsUnavailable(status)) << output << " " << status;
    EXPECT_EQ(ReasonOf(status), kReasonMalformedAnswer) << output;
  }
}

TEST(OneShotOracle, AHangEndsWithTheDeadline) {
  auto oracle = Make(OneShot(Shell("exec sleep 3600", /*timeout_seconds=*/0.2)));
  EXPECT_TRUE(absl::IsDeadlineExceeded(oracle->Evaluate(Question({"CCO"})).status()));
}

TEST(OneShotOracle, WhatLinesCannotCarryIsNotSent) {
  auto oracle = Make(OneShot(
      Shell(R"(cat >/dev/null; echo '{"version": 1, "payload": {"length": [3], "pid": [2]}}')")));
  const auto answer = oracle->Evaluate(Question({"", "CCO", "C\nC", "\xff"}));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->statuses(),
              ElementsAre(v1::OBJECT_STATUS_INVALID, v1::OBJECT_STATUS_OK,
                          v1::OBJECT_STATUS_INVALID, v1::OBJECT_STATUS_INVALID));
}

// The examples that users begin with, on real chemistry.
class ExampleProgram : public testing::TestWithParam<v1::ProcessProtocol> {};

TEST_P(ExampleProgram, ScoresMoleculesByTheirDrugLikeness) {
  const std::string python = PythonWithRdkit();
  if (python.empty()) GTEST_SKIP() << "RDKit isn't installed (Debian's python3-rdkit)";
  v1::OracleConfig config = OracleWith({"qed"});
  config.mutable_process()->set_processes(1);
  config.mutable_process()->set_protocol(GetParam());
  config.mutable_process()->add_command(python);
  config.mutable_process()->add_command(GetParam() == v1::PROCESS_PROTOCOL_ONE_SHOT
                                            ? "examples/oracles/process/qed_one_shot.py"
                                            : "examples/oracles/process/qed_json_lines.py");
  auto oracle = Make(config);
  for (int repeat = 0; repeat < 2; ++repeat) {
    const auto answer = oracle->Evaluate(Question({"CCO", "no molecule", "CC(=O)Oc1ccccc1C(=O)O"}));
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_THAT(answer->statuses(),
                ElementsAre(v1::OBJECT_STATUS_OK, v1::OBJECT_STATUS_INVALID, v1::OBJECT_STATUS_OK));
    EXPECT_NEAR(answer->raw_values(0), 0.4068, 1e-3);  // Ethanol,
    EXPECT_NEAR(answer->raw_values(2), 0.5501, 1e-3);  // and aspirin, as the literature has them.
  }
}

INSTANTIATE_TEST_SUITE_P(ProcessOracle, ExampleProgram,
                         testing::Values(v1::PROCESS_PROTOCOL_JSON_LINES,
                                         v1::PROCESS_PROTOCOL_ONE_SHOT),
                         [](const auto& info) {
                           return info.param == v1::PROCESS_PROTOCOL_ONE_SHOT ? "OneShot"
                                                                              : "JsonLines";
                         });

}  // namespace
}  // namespace anabranch
