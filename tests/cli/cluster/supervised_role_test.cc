#include "cli/cluster/supervised_role.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/cluster/role_command.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;

constexpr absl::Duration kPatience = absl::Seconds(60);

TEST(RestartPolicy, WaitsLongerEachTimeAndGivesUpAtLast) {
  RestartOptions options;
  options.max_deaths = 5;
  options.first_delay = absl::Milliseconds(100);
  options.longest_delay = absl::Milliseconds(300);
  RestartPolicy policy(options);
  absl::Time now = absl::UnixEpoch();
  EXPECT_EQ(policy.AfterDeath(now), absl::Milliseconds(100));
  EXPECT_EQ(policy.AfterDeath(now += absl::Seconds(1)), absl::Milliseconds(200));
  EXPECT_EQ(policy.AfterDeath(now += absl::Seconds(1)), absl::Milliseconds(300));
  EXPECT_EQ(policy.AfterDeath(now += absl::Seconds(1)), absl::Milliseconds(300));
  EXPECT_EQ(policy.AfterDeath(now += absl::Seconds(1)), std::nullopt);
}

TEST(RestartPolicy, ForgetsDeathsThatAreLongAgo) {
  RestartPolicy policy(RestartOptions{});
  absl::Time now = absl::UnixEpoch();
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(policy.AfterDeath(now), absl::Milliseconds(100)) << i;
    now += absl::Minutes(1);
  }
}

class SupervisedRoleTest : public testing::Test {
 protected:
  // A role whose program is a shell script that knows $LISTEN and $ADDRESS_FILE.
  SupervisedRole Role(const std::string& script, RestartOptions restarts = {}) {
    SupervisedRoleOptions options;
    options.name = "actor-7";
    options.address_file = directory_.Path("actor-7.json");
    options.log_file = directory_.Path("actor-7.log");
    options.command = [this, script](const std::string& listen) {
      listens_.push_back(listen);
      return std::vector<std::string>{"/bin/sh", "-c",
                                      absl::StrCat("ADDRESS_FILE=", directory_.Path("actor-7.json"),
                                                   "; LISTEN=", listen, "\n", script)};
    };
    options.restarts = restarts;
    return SupervisedRole(std::move(options));
  }

  // Tends until the process listens.
  void AwaitAddress(SupervisedRole& role) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (!role.address().has_value() && absl::Now() < deadline) {
      ASSERT_TRUE(role.Tend(absl::UnixEpoch()).ok());
      role.AwaitEnd(absl::Now() + absl::Milliseconds(5));
    }
    ASSERT_TRUE(role.address().has_value());
  }

  static constexpr char kListens[] =
      "echo '{\"role\": \"actor\", \"name\": \"actor-7\", \"pid\": '$$',"
      " \"grpc\": \"127.0.0.1:4711\", \"metrics\": \"\"}' > $ADDRESS_FILE.new\n"
      "mv $ADDRESS_FILE.new $ADDRESS_FILE\n"
      "exec sleep 1000\n";

  TemporaryDirectory directory_;
  std::vector<std::string> listens_;
};

TEST_F(SupervisedRoleTest, OneThatDiesIsStartedAgainAtItsFormerPort) {
  SupervisedRole role = Role(kListens);
  ASSERT_TRUE(role.Start().ok());
  AwaitAddress(role);
  EXPECT_EQ(role.endpoint(), "127.0.0.1:4711");
  const int64_t first = role.pid();
  role.Signal(SIGKILL);
  role.AwaitEnd(absl::Now() + kPatience);
  const absl::Time now = absl::UnixEpoch();
  auto note = role.Tend(now);
  ASSERT_TRUE(note.ok()) << note.status();
  EXPECT_THAT(*note, HasSubstr("actor-7: killed by SIGKILL; starts again in 100ms"));
  EXPECT_FALSE(role.address().has_value());
  EXPECT_EQ(role.endpoint(), "127.0.0.1:4711");

  EXPECT_EQ(role.Tend(now + absl::Milliseconds(99)).value(), "");
  EXPECT_FALSE(role.running());
  EXPECT_EQ(role.Tend(now + absl::Milliseconds(100)).value(), "");
  EXPECT_TRUE(role.running());
  EXPECT_NE(role.pid(), first);
  AwaitAddress(role);
  EXPECT_EQ(role.address()->pid, role.pid());
  EXPECT_THAT(listens_, ElementsAre("127.0.0.1:0", "127.0.0.1:4711"));
}

TEST_F(SupervisedRoleTest, TheAddressOfAnEarlierProcessIsNotTaken) {
  ASSERT_TRUE(
      PosixFileSystem()
          ->Write(directory_.Path("actor-7.json"),
                  R"({"role": "actor", "name": "actor-7", "pid": 1, "grpc": "127.0.0.1:1"})")
          .ok());
  SupervisedRole role = Role("exec sleep 1000");
  ASSERT_TRUE(role.Start().ok());
  EXPECT_EQ(role.Tend(absl::UnixEpoch()).value(), "");
  EXPECT_FALSE(role.address().has_value());
}

TEST_F(SupervisedRoleTest, OneThatKeepsDyingIsGivenUpWithTheEndOfItsLog) {
  RestartOptions restarts;
  restarts.max_deaths = 3;
  SupervisedRole role = Role("echo step one; echo disk on fire; exit 1", restarts);
  absl::Time now = absl::UnixEpoch();
  ASSERT_TRUE(role.Start().ok());
  int notes = 0;
  absl::Status status;
  while (status.ok() && notes < 10) {
    role.AwaitEnd(absl::Now() + kPatience);
    auto note = role.Tend(now += absl::Seconds(1));
    status = note.status();
    if (!note.ok() || note->empty()) continue;
    EXPECT_THAT(*note, HasSubstr("exit status 1"));
    EXPECT_THAT(*note, HasSubstr("it said: disk on fire"));
    ++notes;
  }
  EXPECT_EQ(notes, 2);
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("actor-7"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("step one\n  disk on fire"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("3 times within 1m"));
}

TEST_F(SupervisedRoleTest, WrongConfigurationIsNotTriedAgain) {
  SupervisedRole role = Role("echo learner.max_steps: is many; exit 2");
  ASSERT_TRUE(role.Start().ok());
  role.AwaitEnd(absl::Now() + kPatience);
  const absl::Status status = role.Tend(absl::UnixEpoch()).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("max_steps: is many"));
}

TEST_F(SupervisedRoleTest, LastLinesSkipsWhatIsEmptyAndReadsNoWholeFile) {
  std::string text = "first\n";
  text.append(200 << 10, 'x');
  ASSERT_TRUE(
      PosixFileSystem()->Write(directory_.Path("log"), text + "\nlast but one\n\n  \nlast").ok());
  EXPECT_THAT(LastLines(directory_.Path("log"), 2), ElementsAre("last but one", "last"));
  EXPECT_EQ(LastLines(directory_.Path("log"), 100).size(), 3u);
  EXPECT_THAT(LastLines(directory_.Path("none"), 2), IsEmpty());
}

TEST(RoleCommand, EachRoleGetsWhatItNeeds) {
  RoleCommandOptions options;
  options.binaries = "/bin";
  options.config = "run.yaml";
  options.set = {"seed=7", "cluster.replay_address=10.0.0.1:1"};
  options.directory = "runs/a";
  options.run_id = "grid-1";
  const PeerAddresses peers{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"};
  const auto actor = RoleCommand(options, v1::ROLE_ACTOR, "actor-1", "127.0.0.1:0", peers);
  EXPECT_EQ(actor[0], "/bin/anabranch-actor");
  EXPECT_EQ(actor[1], "run.yaml");
  EXPECT_THAT(actor, IsSupersetOf({"--run-id", "grid-1", "--name", "actor-1", "--address-file",
                                   "runs/a/processes/actor-1.json", "seed=7",
                                   "cluster.learner_address=127.0.0.1:3"}));
  EXPECT_THAT(actor, testing::Not(testing::Contains("--ledger")));
  EXPECT_THAT(actor, IsSupersetOf({"--state", "runs/a/actors/actor-1"}));
  const auto reward = RoleCommand(options, v1::ROLE_REWARD, "reward", "127.0.0.1:0", {});
  EXPECT_THAT(reward, IsSupersetOf({"--state", "runs/a/reward"}));
  // The launcher's addresses come after the user's and win.
  const auto theirs = std::find(actor.begin(), actor.end(), "cluster.replay_address=10.0.0.1:1");
  const auto ours = std::find(actor.begin(), actor.end(), "cluster.replay_address=127.0.0.1:1");
  EXPECT_LT(theirs, ours);
  EXPECT_NE(ours, actor.end());
  const auto replay = RoleCommand(options, v1::ROLE_REPLAY, "replay", "127.0.0.1:0", {});
  EXPECT_THAT(replay, IsSupersetOf({"--state", "runs/a/replay"}));
  options.ledgers = true;
  const auto learner = RoleCommand(options, v1::ROLE_LEARNER, "learner", "127.0.0.1:0", peers);
  EXPECT_THAT(learner,
              IsSupersetOf({"--out", "runs/a", "--ledger", "runs/a/ledgers/learner.jsonl"}));
}

TEST(ClusterFile, IsReadAsItWasWritten) {
  TemporaryDirectory directory;
  const std::string path = directory.Path("cluster.json");
  ClusterFile file{"grid-1", 42, {{"actor", "actor-1", 43, "127.0.0.1:5", "127.0.0.1:6"}}};
  ASSERT_TRUE(WriteClusterFile(*PosixFileSystem(), path, file).ok());
  auto read = ReadClusterFile(*PosixFileSystem(), path);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->run_id, "grid-1");
  EXPECT_EQ(read->launcher_pid, 42);
  ASSERT_EQ(read->processes.size(), 1u);
  EXPECT_EQ(read->processes[0].name, "actor-1");
  EXPECT_EQ(read->processes[0].pid, 43);
  EXPECT_EQ(read->processes[0].grpc, "127.0.0.1:5");
  EXPECT_EQ(read->processes[0].metrics, "127.0.0.1:6");
}

TEST(ClusterFile, ADamagedOneIsNamed) {
  TemporaryDirectory directory;
  const std::string path = directory.Path("cluster.json");
  EXPECT_TRUE(absl::IsNotFound(ReadClusterFile(*PosixFileSystem(), path).status()));
  for (const char* text : {"", "{", "[]", R"({"run_id": 7, "launcher_pid": 1, "processes": []})",
                           R"({"run_id": "a", "launcher_pid": 1, "processes": [{}]})"}) {
    ASSERT_TRUE(PosixFileSystem()->Write(path, text).ok());
    const absl::Status status = ReadClusterFile(*PosixFileSystem(), path).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << text << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(path));
  }
}

}  // namespace
}  // namespace anabranch
