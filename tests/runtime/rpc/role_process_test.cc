// Runs real processes: this binary itself, with --role as its first argument.
#include "runtime/rpc/role_process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "anabranch/v1/replay.grpc.pb.h"
#include "anabranch/v1/status.grpc.pb.h"
#include "runtime/file_system.h"
#include "runtime/rpc/channel.h"
#include "runtime/rpc/grpc_status.h"
#include "runtime/rpc/role_flags.h"
#include "tests/runtime/rpc/test_certificates.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using ::testing::HasSubstr;

constexpr char kConfig[] = "configs/hypergrid-8x8.yaml";

// A replay server that knows one run.
class OneRun final : public v1::ReplayService::Service {
 public:
  OneRun(std::string run_id, std::string fingerprint)
      : run_id_(std::move(run_id)), fingerprint_(std::move(fingerprint)) {}
  grpc::Status GetInfo(grpc::ServerContext*, const v1::GetInfoRequest* request,
                       v1::GetInfoResponse* response) override {
    if (!request->handshake().run_id().empty()) return {grpc::StatusCode::INTERNAL, "not empty"};
    response->set_run_id(run_id_);
    response->set_environment_fingerprint(fingerprint_);
    return grpc::Status::OK;
  }

 private:
  const std::string run_id_;
  const std::string fingerprint_;
};

}  // namespace

// What the child does, by --behave.
int RunTestRole(int argc, char** argv) {
  std::string behave = "serve";
  std::string role = "replay";
  RoleProgram program;
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string(argv[i]) == "--as") role = argv[i + 1];
  }
  program.role = role == "actor" ? v1::ROLE_ACTOR : v1::ROLE_REPLAY;
  program.summary = "Tests.";
  program.example = "anabranch-replay configs/hypergrid-8x8.yaml";
  program.declare = [&](CLI::App& app) {
    app.add_option("--behave", behave, "What to do");
    app.add_option("--as", role, "Which role");
  };
  program.run = [&](RoleContext& context) -> absl::Status {
    if (behave == "fail") return absl::UnavailableError("the disk\nis gone");
    if (behave == "reject") return absl::InvalidArgumentError("--behave is reject");
    OneRun service("run-7", "grid");
    auto server = context.Serve({&service}, [](v1::GetStatusResponse& response) {
      response.add_totals()->set_name("things");
    });
    if (!server.ok()) return server.status();
    if (behave == "await-run") {
      auto run_id = context.AwaitRun("grid");
      if (!run_id.ok()) return run_id.status();
    }
    (*server)->rpc().SetServing();
    context.shutdown().Await();
    // Never ends: for the second signal.
    if (behave == "hang") {
      context.log().Info("draining");
      for (;;) pause();
    }
    (*server)->rpc().Stop(absl::Seconds(1));
    return absl::OkStatus();
  };
  return RunRole(argc, argv, program);
}

namespace {

class RoleProcessTest : public ::testing::Test {
 protected:
  struct Child {
    pid_t pid = -1;
    std::string output;  // Path of its standard error.
  };

  ~RoleProcessTest() override {
    for (const pid_t pid : running_) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
  }

  std::string Path(const std::string& name) { return directory_.Path(name); }

  Child Start(const std::vector<std::string>& arguments) {
    Child child;
    child.output = Path(absl::StrCat("stderr-", started_++));
    std::vector<std::string> words = {"test-role", "--role"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 2, child.output.c_str(), O_WRONLY | O_CREAT, 0600);
    posix_spawn_file_actions_addopen(&actions, 1, Path("stdout").c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
    EXPECT_EQ(posix_spawn(&child.pid, "/proc/self/exe", &actions, nullptr, argv.data(), environ),
              0);
    posix_spawn_file_actions_destroy(&actions);
    running_.push_back(child.pid);
    return child;
  }

  // Blocks until it ends. Signals are negative.
  int Wait(const Child& child) {
    int status = 0;
    EXPECT_EQ(waitpid(child.pid, &status, 0), child.pid);
    std::erase(running_, child.pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  std::string Read(const std::string& path) { return PosixFileSystem()->Read(path).value_or(""); }
  std::string Errors(const Child& child) { return Read(child.output); }

  // Until the text stands in the file; false if the child is gone before.
  bool AwaitText(const Child& child, const std::string& path, absl::string_view text) {
    while (!absl::StrContains(Read(path), text)) {
      siginfo_t info = {};
      waitid(P_PID, child.pid, &info, WEXITED | WNOHANG | WNOWAIT);
      if (info.si_pid == child.pid) return absl::StrContains(Read(path), text);
      absl::SleepFor(absl::Milliseconds(5));
    }
    return true;
  }

  nlohmann::json AwaitAddresses(const Child& child, const std::string& path) {
    return AwaitText(child, path, "}") ? nlohmann::json::parse(Read(path)) : nlohmann::json();
  }

  v1::GetStatusResponse AskStatus(const std::string& address) {
    auto channel = MakeChannel("address", address, {});
    EXPECT_TRUE(channel.ok()) << channel.status();
    grpc::ClientContext context;
    v1::GetStatusResponse response;
    const grpc::Status status =
        v1::StatusService::NewStub(*channel)->GetStatus(&context, {}, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  TemporaryDirectory directory_;
  int started_ = 0;
  std::vector<pid_t> running_;
};

TEST_F(RoleProcessTest, ServesTellsItsAddressAndEndsInOrder) {
  const std::string file = Path("replay.json");
  const Child child = Start({kConfig, "--listen", "127.0.0.1:0", "--address-file", file});
  const nlohmann::json addresses = AwaitAddresses(child, file);
  ASSERT_TRUE(addresses.is_object()) << Errors(child);
  EXPECT_EQ(addresses["role"], "replay");
  EXPECT_EQ(addresses["name"], "replay");
  EXPECT_EQ(addresses["pid"], child.pid);
  EXPECT_THAT(std::string(addresses["metrics"]), HasSubstr("127.0.0.1:"));
  const v1::GetStatusResponse status = AskStatus(addresses["grpc"]);
  EXPECT_EQ(status.role(), v1::ROLE_REPLAY);
  EXPECT_EQ(status.name(), "replay");
  EXPECT_EQ(status.version(), "0.1.0");
  EXPECT_NE(status.incarnation(), 0u);
  ASSERT_EQ(status.totals_size(), 1);
  EXPECT_EQ(status.totals(0).name(), "things");
  kill(child.pid, SIGTERM);
  EXPECT_EQ(Wait(child), 0) << Errors(child);
  EXPECT_THAT(Errors(child), HasSubstr("ended in order"));
}

TEST_F(RoleProcessTest, ASecondSignalEndsItAtOnce) {
  const Child child = Start({kConfig, "--listen", "127.0.0.1:0", "--behave", "hang",
                             "--address-file", Path("replay.json")});
  ASSERT_TRUE(AwaitText(child, Path("replay.json"), "}")) << Errors(child);
  kill(child.pid, SIGINT);
  ASSERT_TRUE(AwaitText(child, child.output, "draining")) << Errors(child);
  kill(child.pid, SIGTERM);
  EXPECT_EQ(Wait(child), 128 + SIGTERM);
}

TEST_F(RoleProcessTest, AnErrorIsOneLineAndExitCodeOne) {
  const Child child = Start({kConfig, "--behave", "fail"});
  EXPECT_EQ(Wait(child), 1);
  EXPECT_THAT(Errors(child), HasSubstr("error replay: the disk\\nis gone code=UNAVAILABLE"));
  const std::vector<std::string> lines = absl::StrSplit(Errors(child), '\n');
  EXPECT_EQ(lines.size(), 2u) << Errors(child);  // The second is empty.
}

TEST_F(RoleProcessTest, AnInvalidArgumentIsWrongUsage) {
  const Child child = Start({kConfig, "--behave", "reject", "--log-format", "json"});
  EXPECT_EQ(Wait(child), 2);
  const nlohmann::json line = nlohmann::json::parse(Errors(child));
  EXPECT_EQ(line["message"], "--behave is reject");
  EXPECT_EQ(line["level"], "error");
}

TEST_F(RoleProcessTest, WrongUsageIsNamedAndExitCodeTwo) {
  const struct {
    std::vector<std::string> arguments;
    std::string says;
  } cases[] = {
      {{}, "which configuration? For example: anabranch-replay configs/hypergrid-8x8.yaml"},
      {{"missing.yaml"}, "missing.yaml"},
      {{kConfig, "--set", "learner.max_stepz=1"}, "did you mean \"max_steps\"?"},
      {{kConfig, "--log-level", "loud"}, "--log-level is \"loud\""},
      {{kConfig, "--log-format", "xml"}, "--log-format is \"xml\""},
      {{kConfig, "--listen", "0.0.0.0:0"}, "--insecure"},
      {{kConfig, "--listen", "127.0.0.1"}, "--listen is \"127.0.0.1\", which has no port"},
      {{kConfig, "--metrics-listen", "9090"}, "--metrics-listen is \"9090\""},
      {{kConfig, "--set", "cluster.replay_address=10.0.0.1:7401"}, "cluster.replay_address"},
      {{kConfig, "--as", "actor", "--set", "cluster.reward_address=db:7402"},
       "cluster.reward_address is \"db:7402\""},
      {{kConfig, "--lisen", "127.0.0.1:0"}, "--lisen"},
  };
  for (const auto& c : cases) {
    const Child child = Start(c.arguments);
    EXPECT_EQ(Wait(child), 2) << c.says;
    EXPECT_THAT(Errors(child), HasSubstr(c.says));
  }
}

TEST_F(RoleProcessTest, EachFaultOfAConfigurationHasALineOfItsOwn) {
  const Child child =
      Start({kConfig, "--set", "learner.max_steps=0", "--set", "evaluation.top_k=0"});
  EXPECT_EQ(Wait(child), 2);
  const std::vector<std::string> lines = absl::StrSplit(Errors(child), '\n');
  ASSERT_EQ(lines.size(), 3u) << Errors(child);  // The last is empty.
  EXPECT_THAT(lines[0], HasSubstr("learner.max_steps is 0"));
  EXPECT_THAT(lines[1], HasSubstr("evaluation.top_k is 0"));
}

TEST_F(RoleProcessTest, CertificatesThatCannotServeAreAFaultOfTheConfiguration) {
  TestAuthority authority(directory_.path(), "ca");
  TestAuthority::Subject subject{"expired"};
  subject.ends = absl::Now() - absl::Minutes(1);
  const v1::TlsConfig tls = authority.Issue(subject);
  const Child child = Start({kConfig, "--listen", "127.0.0.1:0", "--set",
                             "cluster.tls.certificate_file=" + tls.certificate_file(), "--set",
                             "cluster.tls.key_file=" + tls.key_file()});
  EXPECT_EQ(Wait(child), 2);
  EXPECT_THAT(Errors(child), HasSubstr("cluster.tls.certificate_file"));
  EXPECT_THAT(Errors(child), HasSubstr("expired on"));
}

TEST_F(RoleProcessTest, HelpHasAnExampleAndPrintConfigTheWholeConfiguration) {
  const Child help = Start({"--help"});
  EXPECT_EQ(Wait(help), 0);
  EXPECT_THAT(Read(Path("stdout")), HasSubstr("anabranch-replay configs/hypergrid-8x8.yaml"));
  EXPECT_THAT(Read(Path("stdout")), HasSubstr("--behave"));
  const Child print = Start({kConfig, "--set", "seed=77", "--print-config"});
  EXPECT_EQ(Wait(print), 0);
  EXPECT_THAT(Read(Path("stdout")), HasSubstr("seed: 77"));
}

TEST_F(RoleProcessTest, APortInUseIsOneLineWithTheRemedy) {
  const std::string file = Path("first.json");
  const Child first = Start({kConfig, "--listen", "127.0.0.1:0", "--address-file", file});
  const nlohmann::json addresses = AwaitAddresses(first, file);
  ASSERT_TRUE(addresses.is_object()) << Errors(first);
  const std::string taken = addresses["grpc"];
  const Child second = Start({kConfig, "--listen", taken});
  EXPECT_EQ(Wait(second), 1);
  EXPECT_THAT(Errors(second), HasSubstr(absl::StrCat("can't listen at ", taken)));
  EXPECT_THAT(Errors(second), HasSubstr("another process listens there"));
  const std::vector<std::string> lines = absl::StrSplit(Errors(second), '\n');
  EXPECT_EQ(lines.size(), 2u) << Errors(second);
  const Child third = Start({kConfig, "--listen", "127.0.0.1:0", "--metrics-listen", taken});
  EXPECT_EQ(Wait(third), 1);
  EXPECT_THAT(Errors(third), HasSubstr("metrics: can't listen at"));
}

TEST_F(RoleProcessTest, AnAddressFileOfAnEarlierProcessIsNotMistakenForItsOwn) {
  const std::string file = Path("replay.json");
  ASSERT_TRUE(PosixFileSystem()->Write(file, "{\"grpc\": \"old\"}").ok());
  const Child child = Start({kConfig, "--behave", "fail", "--address-file", file});
  EXPECT_EQ(Wait(child), 1);
  EXPECT_FALSE(*PosixFileSystem()->Exists(file));
}

TEST_F(RoleProcessTest, AnActorWaitsForReplayAndTakesItsRun) {
  const std::string actor_file = Path("actor.json");
  // A port that was just free: whoever takes it in between makes the test fail, not pass.
  const Child probe =
      Start({kConfig, "--listen", "127.0.0.1:0", "--address-file", Path("probe.json")});
  const nlohmann::json free = AwaitAddresses(probe, Path("probe.json"));
  ASSERT_TRUE(free.is_object()) << Errors(probe);
  kill(probe.pid, SIGTERM);
  ASSERT_EQ(Wait(probe), 0);
  const std::string address = free["grpc"];
  const Child actor = Start({kConfig, "--as", "actor", "--behave", "await-run", "--address-file",
                             actor_file, "--set", "cluster.replay_address=" + address});
  ASSERT_TRUE(AwaitText(actor, actor.output, "waiting for replay")) << Errors(actor);
  const nlohmann::json addresses = AwaitAddresses(actor, actor_file);
  EXPECT_EQ(AskStatus(addresses["grpc"]).state(), v1::ROLE_STATE_STARTING);
  const Child replay = Start({kConfig, "--listen", address});
  v1::GetStatusResponse status;
  do {
    status = AskStatus(addresses["grpc"]);
  } while (status.state() == v1::ROLE_STATE_STARTING);
  EXPECT_EQ(status.state(), v1::ROLE_STATE_SERVING);
  EXPECT_EQ(status.run_id(), "run-7");
  EXPECT_EQ(status.name().substr(0, 6), "actor-");
  EXPECT_EQ(status.name().size(), 10u);
}

TEST_F(RoleProcessTest, WaitingForReplayEndsInOrderOnASignal) {
  const Child actor = Start({kConfig, "--as", "actor", "--behave", "await-run", "--set",
                             "cluster.replay_address=127.0.0.1:1"});
  ASSERT_TRUE(AwaitText(actor, actor.output, "waiting for replay")) << Errors(actor);
  kill(actor.pid, SIGTERM);
  EXPECT_EQ(Wait(actor), 0) << Errors(actor);
}

TEST(CompleteRoleFlags, WithTlsAddressesMayBeReachedByOthers) {
  RoleFlags flags;
  flags.listen = "0.0.0.0:7401";
  v1::RunConfig config;
  config.mutable_cluster()->set_replay_address("replay.example:7401");
  config.mutable_cluster()->set_reward_address("reward.example:7402");
  config.mutable_cluster()->set_learner_address("learner.example:7403");
  EXPECT_FALSE(CompleteRoleFlags(v1::ROLE_ACTOR, config, 1, flags).ok());
  config.mutable_cluster()->mutable_tls();
  const absl::Status status = CompleteRoleFlags(v1::ROLE_ACTOR, config, 1, flags);
  EXPECT_TRUE(status.ok()) << status;
}

TEST(AskForRun, ReplayOfAnotherEnvironmentIsRefusedByName) {
  OneRun service("run-7", "grid");
  Metrics metrics("replay");
  RpcServerOptions options;
  options.listen = "127.0.0.1:0";
  auto server = RpcServer::Start(options, {&service}, nullptr, metrics, NullLog());
  ASSERT_TRUE(server.ok()) << server.status();
  auto channel = MakeChannel("replay", (*server)->address(), {});
  ASSERT_TRUE(channel.ok());
  Shutdown shutdown;
  const auto run_id = AskForRun(*channel, (*server)->address(), "molecules", shutdown, NullLog());
  EXPECT_EQ(run_id.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(run_id.status().message()), HasSubstr("\"grid\""));
  EXPECT_THAT(std::string(run_id.status().message()), HasSubstr("\"molecules\""));
  EXPECT_EQ(*AskForRun(*channel, (*server)->address(), "grid", shutdown, NullLog()), "run-7");
}

}  // namespace
}  // namespace anabranch

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "--role") {
    return anabranch::RunTestRole(argc - 1, argv + 1);
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
