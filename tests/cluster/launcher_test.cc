// `anabranch cluster` as a user meets it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/cluster/cluster_file.h"
#include "cli/cluster/role_command.h"
#include "nlohmann/json.hpp"
#include "runtime/file_system.h"
#include "runtime/process.h"
#include "tests/cluster/test_cluster.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr absl::Duration kPatience = absl::Minutes(2);
constexpr char kConfig[] = "configs/hypergrid-8x8.yaml";

class LauncherTest : public testing::Test {
 protected:
  std::unique_ptr<Process> Start(std::vector<std::string> arguments) {
    ProcessOptions options;
    output_ = directory_.Path(absl::StrCat("output-", ++launches_));
    options.log_file = output_;
    options.command = {JoinPath(BinaryDirectory(), "anabranch")};
    options.command.insert(options.command.end(), arguments.begin(), arguments.end());
    auto process = Process::Start(options);
    EXPECT_TRUE(process.ok()) << process.status();
    return process.ok() ? *std::move(process) : nullptr;
  }
  std::unique_ptr<Process> StartCluster(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"cluster",  kConfig, "--out", out_,
                                          "--actors", "2",     "--set", "threads=1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Start(std::move(arguments));
  }
  int AwaitEnd(Process& process) {
    const auto status = process.Await(absl::Now() + kPatience);
    EXPECT_TRUE(status.has_value()) << "still running: " << Output();
    if (!status.has_value()) return -1;
    return status->signal == 0 ? status->code : -status->signal;
  }
  int Run(std::vector<std::string> arguments) { return AwaitEnd(*Start(std::move(arguments))); }

  std::string Output() const { return PosixFileSystem()->Read(output_).value_or(""); }
  ClusterFile Members() const {
    return ReadClusterFile(*PosixFileSystem(), JoinPath(out_, kClusterFile))
        .value_or(ClusterFile{});
  }
  int64_t PidOf(const std::string& name) const {
    for (const RoleAddress& process : Members().processes) {
      if (process.name == name) return process.pid;
    }
    return 0;
  }
  // Blocks until it is true, while the process runs.
  void Await(Process& process, const std::string& what, const std::function<bool()>& look) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (!look()) {
      ASSERT_FALSE(process.Await(absl::Now() + absl::Milliseconds(5)).has_value())
          << "ended before " << what << "\n"
          << Output();
      ASSERT_LT(absl::Now(), deadline) << what << "\n" << Output();
    }
  }
  void AwaitOutput(Process& process, const std::string& text) {
    Await(process, text, [&] { return Output().find(text) != std::string::npos; });
  }
  // All five processes listen and training goes on.
  void AwaitTraining(Process& process) {
    Await(process, "all to listen", [this] { return Members().processes.size() == 5; });
    AwaitOutput(process, "step ");
  }
  nlohmann::json Summary() const {
    const std::string text =
        PosixFileSystem()->Read(JoinPath(out_, "summary.json")).value_or("null");
    return nlohmann::json::parse(text);
  }

  TemporaryDirectory directory_;
  const std::string out_ = directory_.Path("run");
  std::string output_;
  int launches_ = 0;
};

TEST_F(LauncherTest, TrainsToTheEndAndSaysWhatItLeaves) {
  auto cluster = StartCluster({"--set", "learner.max_steps=300"});
  ASSERT_EQ(AwaitEnd(*cluster), 0) << Output();
  EXPECT_THAT(Output(), HasSubstr("step 300/300"));
  EXPECT_THAT(Output(), HasSubstr("Done after 300 steps"));
  EXPECT_THAT(Output(), HasSubstr(JoinPath(out_, "summary.json")));
  EXPECT_EQ(Summary()["step"], 300);
  EXPECT_TRUE(Members().processes.empty());
  EXPECT_EQ(Run({"evaluate", out_, "--samples", "100"}), 0) << Output();
  EXPECT_EQ(Run({"objects", out_, "--top", "3"}), 0) << Output();
  EXPECT_THAT(Output(), HasSubstr(Members().run_id));
  // Done is done; more steps go on from there.
  auto again = Start({"cluster", "--resume", out_, "--set", "learner.max_steps=400"});
  ASSERT_EQ(AwaitEnd(*again), 0) << Output();
  EXPECT_THAT(Output(), HasSubstr("Done after 400 steps"));
}

TEST_F(LauncherTest, OneSignalEndsAllInOrderAndTheRunGoesOn) {
  auto cluster = StartCluster({"--set", "learner.max_steps=100000000"});
  AwaitTraining(*cluster);
  ASSERT_EQ(Run({"status", out_}), 0) << Output();
  for (const char* text : {"replay", "reward", "learner", "actor-0", "actor-1", "serving", "/s"}) {
    EXPECT_THAT(Output(), HasSubstr(text));
  }
  const ClusterFile members = Members();
  cluster->Signal(SIGINT);
  ASSERT_EQ(AwaitEnd(*cluster), 0) << PosixFileSystem()->Read(directory_.Path("output-1")).value();
  for (const RoleAddress& process : members.processes) {
    EXPECT_EQ(kill(static_cast<pid_t>(process.pid), 0), -1) << process.name << " is still there";
  }
  output_ = directory_.Path("output-1");
  EXPECT_THAT(Output(), HasSubstr("Go on with: anabranch cluster --resume " + out_));
  const int64_t step = Summary()["step"].get<int64_t>();
  EXPECT_GT(step, 0);
  const std::string more = absl::StrCat("learner.max_steps=", step + 20);
  auto resumed = Start({"cluster", "--resume", out_, "--set", more});
  ASSERT_EQ(AwaitEnd(*resumed), 0) << Output();
  EXPECT_THAT(Output(), HasSubstr("Going on with run " + members.run_id));
  EXPECT_EQ(Summary()["step"], step + 20);
}

TEST_F(LauncherTest, OneThatDiesIsStartedAgainAtItsPort) {
  auto cluster = StartCluster(
      {"--set", "learner.max_steps=100000000", "--set", "learner.checkpoint.every_steps=50"});
  AwaitTraining(*cluster);
  for (const char* name : {"reward", "actor-0", "learner"}) {
    const ClusterFile before = Members();
    const int64_t pid = PidOf(name);
    ASSERT_GT(pid, 0) << name;
    kill(static_cast<pid_t>(pid), SIGKILL);
    AwaitOutput(*cluster, absl::StrCat(name, ": killed by SIGKILL; starts again"));
    Await(*cluster, absl::StrCat("another ", name),
          [&] { return PidOf(name) != 0 && PidOf(name) != pid; });
    for (const RoleAddress& process : Members().processes) {
      for (const RoleAddress& old : before.processes) {
        if (old.name == process.name) {
          EXPECT_EQ(old.grpc, process.grpc) << old.name;
        }
      }
    }
  }
  cluster->Signal(SIGTERM);
  EXPECT_EQ(AwaitEnd(*cluster), 0) << Output();
}

TEST_F(LauncherTest, OneThatKeepsDyingEndsTheClusterWithItsLastLines) {
  // A state that is damaged stays damaged.
  ASSERT_TRUE(PosixFileSystem()->MakeDirectories(JoinPath(out_, kReplayDirectory)).ok());
  ASSERT_TRUE(PosixFileSystem()
                  ->Write(JoinPath(out_, absl::StrCat(kReplayDirectory, "/state.bin")), "junk")
                  .ok());
  auto cluster = StartCluster();
  EXPECT_EQ(AwaitEnd(*cluster), 1) << Output();
  EXPECT_THAT(Output(), HasSubstr("gave up on replay: exit status 1"));
  EXPECT_THAT(Output(), HasSubstr("state.bin"));
  EXPECT_TRUE(Members().processes.empty());
}

TEST_F(LauncherTest, ASecondSignalKills) {
  auto cluster = StartCluster({"--set", "learner.max_steps=100000000"});
  AwaitTraining(*cluster);
  const ClusterFile members = Members();
  // An actor stands still, so that the first signal alone is not enough for a while.
  kill(static_cast<pid_t>(PidOf("actor-0")), SIGSTOP);
  cluster->Signal(SIGINT);
  AwaitOutput(*cluster, "Ending in order");
  cluster->Signal(SIGINT);
  EXPECT_EQ(AwaitEnd(*cluster), 130) << Output();
  for (const RoleAddress& process : members.processes) {
    EXPECT_EQ(kill(static_cast<pid_t>(process.pid), 0), -1) << process.name << " is still there";
  }
}

TEST_F(LauncherTest, TwoLaunchersDoNotShareADirectory) {
  auto cluster = StartCluster({"--set", "learner.max_steps=100000000"});
  AwaitTraining(*cluster);
  auto second = StartCluster();
  EXPECT_EQ(AwaitEnd(*second), 1);
  EXPECT_THAT(Output(), HasSubstr("running in " + out_));
  cluster->Signal(SIGTERM);
  EXPECT_EQ(AwaitEnd(*cluster), 0);
}

TEST_F(LauncherTest, ProcessesDoNotOutliveAKilledLauncher) {
  auto cluster = StartCluster({"--set", "learner.max_steps=100000000"});
  AwaitTraining(*cluster);
  const ClusterFile members = Members();
  cluster->Signal(SIGKILL);
  AwaitEnd(*cluster);
  const absl::Time deadline = absl::Now() + kPatience;
  for (const RoleAddress& process : members.processes) {
    // Not ours to wait for: they are the launcher's children.
    while (kill(static_cast<pid_t>(process.pid), 0) == 0 && absl::Now() < deadline) {
      poll(nullptr, 0, 5);
    }
    EXPECT_EQ(kill(static_cast<pid_t>(process.pid), 0), -1) << process.name << " is still there";
  }
  // What they saved is gone on with.
  const std::string more = absl::StrCat("learner.max_steps=", 200);
  auto resumed = Start({"cluster", "--resume", out_, "--set", more});
  EXPECT_EQ(AwaitEnd(*resumed), 0) << Output();
}

TEST_F(LauncherTest, WrongUsageIsExit2InOneLine) {
  const std::vector<std::vector<std::string>> wrong = {
      {"cluster"},
      {"cluster", kConfig},
      {"cluster", directory_.Path("none.yaml"), "--out", out_},
      {"cluster", kConfig, "--out", out_, "--set", "lerner.max_steps=1"},
      {"cluster", kConfig, "--out", out_, "--actors", "0"},
      {"cluster", "--resume"},
  };
  for (const auto& arguments : wrong) {
    EXPECT_EQ(Run(arguments), 2) << Output();
    EXPECT_THAT(Output(), Not(testing::IsEmpty()));
  }
  EXPECT_FALSE(PosixFileSystem()->Exists(out_).value());
  EXPECT_EQ(Run({"cluster", "--resume", directory_.Path("nowhere")}), 1);
  EXPECT_THAT(Output(), HasSubstr("nowhere"));
  EXPECT_FALSE(PosixFileSystem()->Exists(directory_.Path("nowhere")).value());
}

TEST_F(LauncherTest, ARunOfAnabranchTrainIsNotTakenOver) {
  ASSERT_EQ(Run({"train", kConfig, "--out", out_, "--set", "learner.max_steps=5"}), 0) << Output();
  auto cluster = StartCluster();
  EXPECT_EQ(AwaitEnd(*cluster), 1);
  EXPECT_THAT(Output(), HasSubstr("another --out"));
}

}  // namespace
}  // namespace anabranch
