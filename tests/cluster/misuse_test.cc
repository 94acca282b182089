// What is told wrong is said in one clear line, with the right exit code.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "cli/cluster/supervised_role.h"
#include "runtime/file_system.h"
#include "runtime/process.h"
#include "tests/cluster/test_cluster.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Minutes(1);
constexpr char kConfig[] = "configs/hypergrid-8x8.yaml";

class MisuseTest : public testing::Test {
 protected:
  std::unique_ptr<Process> Start(const std::string& role, std::vector<std::string> arguments) {
    ProcessOptions options;
    options.log_file = directory_.Path(absl::StrCat("log-", ++processes_));
    options.command = {JoinPath(BinaryDirectory(), "anabranch-" + role)};
    options.command.insert(options.command.end(), arguments.begin(), arguments.end());
    log_ = options.log_file;
    auto process = Process::Start(options);
    EXPECT_TRUE(process.ok()) << process.status();
    return process.ok() ? *std::move(process) : nullptr;
  }
  // Until it ends, and its exit status; the output is then in Said().
  int Run(const std::string& role, const std::vector<std::string>& arguments) {
    auto process = Start(role, arguments);
    const auto status = process->Await(absl::Now() + kPatience);
    EXPECT_TRUE(status.has_value()) << role << " goes on: " << Said();
    return status.has_value() ? status->code : -1;
  }
  std::string Said() const { return PosixFileSystem()->Read(log_).value_or(""); }
  // The line of the log that holds it; fails the test if there are none or several.
  std::string TheLineWith(const std::string& text) const {
    std::string found;
    int count = 0;
    for (const auto& line : absl::StrSplit(Said(), '\n')) {
      if (line.find(text) == std::string::npos) continue;
      found = std::string(line);
      ++count;
    }
    EXPECT_EQ(count, 1) << "lines with '" << text << "' in:\n" << Said();
    return found;
  }

  TemporaryDirectory directory_;
  std::string log_;
  int processes_ = 0;
};

class EveryRole : public MisuseTest, public testing::WithParamInterface<const char*> {
 protected:
  // What a role needs besides its configuration.
  std::vector<std::string> Arguments(std::vector<std::string> more) {
    if (std::string(GetParam()) == "learner") {
      more.insert(more.end(), {"--out", directory_.Path("out")});
    }
    return more;
  }
};

TEST_P(EveryRole, NeedsAConfigurationThatExists) {
  EXPECT_EQ(Run(GetParam(), Arguments({directory_.Path("none.yaml")})), 2);
  TheLineWith("none.yaml");
}

TEST_P(EveryRole, NamesAKeyThatDoesNotExist) {
  EXPECT_EQ(Run(GetParam(), Arguments({kConfig, "--set", "lerner.max_steps=5"})), 2);
  EXPECT_THAT(TheLineWith("lerner"), HasSubstr("learner"));
}

TEST_P(EveryRole, RefusesPlainTextOffLoopback) {
  EXPECT_EQ(Run(GetParam(), Arguments({kConfig, "--listen", "0.0.0.0:0"})), 2);
  EXPECT_THAT(TheLineWith("0.0.0.0:0"), HasSubstr("--insecure"));
}

TEST_P(EveryRole, RefusesAnUnknownFlag) {
  EXPECT_EQ(Run(GetParam(), Arguments({kConfig, "--lissten", "127.0.0.1:0"})), 2);
  EXPECT_THAT(Said(), HasSubstr("--lissten"));
}

INSTANTIATE_TEST_SUITE_P(Roles, EveryRole, testing::Values("actor", "learner", "replay", "reward"),
                         [](const auto& info) { return std::string(info.param); });

class MisusedClusterTest : public MisuseTest {
 protected:
  TestCluster cluster_{"hypergrid-8x8.yaml", {"learner.max_steps=1000000"}};
};

TEST_F(MisusedClusterTest, APortInUseIsNamed) {
  cluster_.StartAndAwait("reward");
  const std::string taken = cluster_.Endpoint("reward");
  EXPECT_EQ(Run("reward", {kConfig, "--listen", taken}), 1);
  TheLineWith(taken);
  EXPECT_TRUE(cluster_.IsRunning("reward"));
}

TEST_F(MisusedClusterTest, AReplayOfAnotherRunKeepsItsHandsOffTheState) {
  cluster_.StartAndAwait("replay");
  EXPECT_TRUE(cluster_.EndInOrder("replay").ok()) << cluster_.Log("replay");
  const std::string state = JoinPath(cluster_.directory(), "replay");
  EXPECT_EQ(
      Run("replay", {kConfig, "--listen", kAnyPort, "--state", state, "--run-id", "other-run"}), 1);
  EXPECT_THAT(TheLineWith("other-run"), HasSubstr("test-run"));
}

TEST_F(MisusedClusterTest, AnActorOfAnotherRunIsSentAway) {
  cluster_.StartAll(0);
  std::vector<std::string> command = cluster_.Command("actor-x", kAnyPort);
  command.erase(command.begin());
  command.insert(command.end(), {"--run-id", "other-run"});
  // The last of two is taken, or two are refused: give it once.
  for (size_t i = 0; i + 1 < command.size(); ++i) {
    if (command[i] == "--run-id") {
      command.erase(command.begin() + i, command.begin() + i + 2);
      break;
    }
  }
  EXPECT_EQ(Run("actor", command), 1);
  EXPECT_THAT(Said(), HasSubstr("other-run"));
  EXPECT_THAT(Said(), HasSubstr("test-run"));
  // Nobody else minds.
  cluster_.AddActor();
  cluster_.AwaitStep(5);
}

TEST_F(MisusedClusterTest, AnUnreachablePeerIsWaitedForByNameAndCanBeLeft) {
  auto actor = Start("actor", {kConfig, "--set", "cluster.replay_address=127.0.0.1:1", "--set",
                               "cluster.reward_address=127.0.0.1:2", "--set",
                               "cluster.learner_address=127.0.0.1:3"});
  const absl::Time deadline = absl::Now() + kPatience;
  while (Said().find("127.0.0.1:1") == std::string::npos && absl::Now() < deadline) {
    ASSERT_FALSE(actor->Await(absl::Now() + absl::Milliseconds(5)).has_value()) << Said();
  }
  EXPECT_THAT(Said(), HasSubstr("127.0.0.1:1"));
  actor->Signal(SIGTERM);
  const auto status = actor->Await(absl::Now() + kPatience);
  ASSERT_TRUE(status.has_value()) << Said();
  EXPECT_TRUE(status->ok()) << ToString(*status) << "\n" << Said();
}

}  // namespace
}  // namespace anabranch
