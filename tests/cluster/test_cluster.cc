#include "tests/cluster/test_cluster.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "cli/cluster/cluster_file.h"
#include "cli/health/role_client.h"
#include "runtime/file_system.h"
#include "runtime/rpc/channel.h"

namespace anabranch {
namespace {

constexpr int kLookEveryMillis = 5;
constexpr absl::Duration kAnswerTimeout = absl::Seconds(5);

// A line that its writer was killed over must not swallow its successor's first.
void EndCutLine(const std::string& path) {
  std::string text = PosixFileSystem()->Read(path).value_or("");
  if (text.empty() || text.back() == '\n') return;
  EXPECT_TRUE(PosixFileSystem()->Write(path, text + "\n").ok());
}

}  // namespace

v1::Role RoleOfName(const std::string& name) {
  if (name == "replay") return v1::ROLE_REPLAY;
  if (name == "reward") return v1::ROLE_REWARD;
  if (name == "learner") return v1::ROLE_LEARNER;
  return v1::ROLE_ACTOR;
}

std::string BinaryDirectory() { return ANABRANCH_BIN_DIR; }

TestCluster::TestCluster(const std::string& config, std::vector<std::string> set) {
  options_.binaries = BinaryDirectory();
  options_.config = JoinPath("configs", config);  // CTest starts tests in the root.
  options_.set = std::move(set);
  options_.directory = directory_.path();
  options_.run_id = "test-run";
  options_.ledgers = true;
  for (const char* name :
       {kProcessesDirectory, kLogsDirectory, kReplayDirectory, kLedgersDirectory}) {
    EXPECT_TRUE(PosixFileSystem()->MakeDirectories(directory_.Path(name)).ok());
  }
}

TestCluster::~TestCluster() = default;

SupervisedRole& TestCluster::Role(const std::string& name) {
  const auto found = roles_.find(name);
  if (found != roles_.end()) return found->second;
  SupervisedRoleOptions options;
  options.name = name;
  options.address_file = AddressFileOf(directory(), name);
  options.log_file = LogFileOf(directory(), name);
  options.command = [this, name](const std::string& listen) { return Command(name, listen); };
  return roles_.emplace(name, SupervisedRole(std::move(options))).first->second;
}

std::vector<std::string> TestCluster::Command(const std::string& name, const std::string& listen) {
  const PeerAddresses peers{Endpoint("replay"), Endpoint("reward"), Endpoint("learner")};
  std::vector<std::string> command = RoleCommand(options_, RoleOfName(name), name, listen, peers);
  const std::vector<std::string>& more = arguments_[name];
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

void TestCluster::StartAll(int actors) {
  Start("replay");
  StartAndAwait("reward");
  Await("replay to listen", "replay", [this] {
    return Role("replay").Tend(absl::Now()).ok() && Role("replay").address().has_value();
  });
  StartAndAwait("learner");
  for (int i = 0; i < actors; ++i) AddActor();
}

void TestCluster::Start(const std::string& name) {
  EndCutLine(JoinPath(directory_.Path(kLedgersDirectory), name + ".jsonl"));
  const absl::Status started = Role(name).Start();
  EXPECT_TRUE(started.ok()) << started;
}

void TestCluster::StartAndAwait(const std::string& name) {
  Start(name);
  Await(name + " to listen", name,
        [&] { return Role(name).Tend(absl::Now()).ok() && Role(name).address().has_value(); });
}

std::string TestCluster::AddActor() {
  const std::string name = absl::StrCat("actor-", actors_++);
  StartAndAwait(name);
  return name;
}

void TestCluster::Signal(const std::string& name, int number) { Role(name).Signal(number); }

void TestCluster::Kill(const std::string& name) {
  Signal(name, SIGKILL);
  const ExitStatus status = AwaitEnd(name);
  EXPECT_EQ(status.signal, SIGKILL)
      << name << " had ended before: " << ToString(status) << AllLogs();
}

ExitStatus TestCluster::AwaitEnd(const std::string& name) {
  Role(name).AwaitEnd(absl::Now() + kPatience);
  const std::optional<ExitStatus> status = Role(name).ended();
  EXPECT_TRUE(status.has_value()) << name << " doesn't end" << AllLogs();
  return status.value_or(ExitStatus{-1, 0});
}

ExitStatus TestCluster::EndInOrder(const std::string& name) {
  Signal(name, SIGTERM);
  return AwaitEnd(name);
}

std::vector<std::string> TestCluster::RunningActors() {
  std::vector<std::string> names;
  for (auto& [name, role] : roles_) {
    if (RoleOfName(name) == v1::ROLE_ACTOR && role.running()) names.push_back(name);
  }
  return names;
}

std::shared_ptr<grpc::Channel> TestCluster::ChannelTo(const std::string& name) {
  std::shared_ptr<grpc::Channel>& channel = channels_[name];
  if (channel == nullptr) {
    auto made = MakeChannel(name, Endpoint(name), ChannelOptions());
    EXPECT_TRUE(made.ok()) << made.status();
    if (made.ok()) channel = *std::move(made);
  }
  return channel;
}

bool TestCluster::Await(const std::string& what, const std::string& needed,
                        const std::function<bool()>& look) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (!look()) {
    const bool lost = !needed.empty() && !Role(needed).running();
    if (lost && look()) return true;  // It may have ended after what was waited for.
    if (lost || absl::Now() > deadline) {
      ADD_FAILURE() << (lost ? needed + " has ended; waited for " : "waited in vain for ") << what
                    << AllLogs();
      return false;
    }
    poll(nullptr, 0, kLookEveryMillis);
  }
  return true;
}

v1::GetStatusResponse TestCluster::AwaitStatus(
    const std::string& name, const std::function<bool(const v1::GetStatusResponse&)>& wanted) {
  v1::GetStatusResponse last;
  Await("the status of " + name, name, [&] {
    auto status = AskStatus(ChannelTo(name), kAnswerTimeout);
    if (status.ok()) last = *std::move(status);
    return status.ok() && wanted(last);
  });
  return last;
}

v1::GetInfoResponse TestCluster::AwaitInfo(
    const std::function<bool(const v1::GetInfoResponse&)>& wanted) {
  v1::GetInfoResponse last;
  const bool found = Await("what replay holds", "replay", [&] {
    auto info = AskReplayInfo(ChannelTo("replay"), kAnswerTimeout);
    if (info.ok()) last = *std::move(info);
    return info.ok() && wanted(last);
  });
  EXPECT_TRUE(found) << last.ShortDebugString();
  return last;
}

v1::GetStatusResponse TestCluster::AwaitStep(uint64_t step) {
  return AwaitStatus("learner", [step](const v1::GetStatusResponse& status) {
    return status.training().step() >= step;
  });
}

std::string TestCluster::Log(const std::string& name) const {
  return PosixFileSystem()->Read(LogFileOf(directory(), name)).value_or("");
}

std::string TestCluster::AllLogs() {
  std::string text;
  for (auto& [name, role] : roles_) {
    const std::optional<ExitStatus> ended = role.ended();
    absl::StrAppend(&text, "\n--- ", name, ended.has_value() ? ", " + ToString(*ended) : "", "\n",
                    absl::StrJoin(LastLines(LogFileOf(directory(), name), 15), "\n"));
  }
  return text;
}

}  // namespace anabranch
