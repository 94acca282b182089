// All processes of a run with certificates and tokens, as a user starts them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/cluster/cluster_file.h"
#include "cli/cluster/role_command.h"
#include "cli/health/role_client.h"
#include "runtime/error_reason.h"
#include "runtime/file_system.h"
#include "runtime/process.h"
#include "tests/cluster/test_cluster.h"
#include "tests/runtime/rpc/test_certificates.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr absl::Duration kPatience = absl::Minutes(2);
constexpr absl::Duration kAnswerTimeout = absl::Seconds(20);
constexpr char kGrid[] = "configs/hypergrid-8x8.yaml";
const char* const kSecrets[] = {"swordfish-replay", "swordfish-reward", "swordfish-learner"};

// A cluster that trains on until it is told to end.
class SecuredClusterTest : public testing::Test {
 protected:
  SecuredClusterTest() {
    std::string yaml = *PosixFileSystem()->Read(kGrid) + "\ncluster:\n";
    for (const char* role : {"replay", "reward", "learner"}) {
      const std::string token = WriteSecret(role, absl::StrCat("swordfish-", role));
      absl::StrAppend(&yaml, "  ", role, "_token_file: ", token, "\n");
    }
    absl::StrAppend(&yaml, "  tls:\n    ca_file: ", tls_.ca_file(),
                    "\n    certificate_file: ", tls_.certificate_file(),
                    "\n    key_file: ", tls_.key_file(), "\n");
    EXPECT_TRUE(PosixFileSystem()->Write(config_, yaml).ok());
    cluster_ = Start("anabranch", {"cluster", config_, "--out", out_, "--actors", "1", "--set",
                                   "threads=1", "--set", "learner.max_steps=100000000"});
    launcher_log_ = output_;
    Await("training", [this] { return Read(launcher_log_).find("step ") != std::string::npos; });
  }
  ~SecuredClusterTest() override {
    if (cluster_ == nullptr) return;
    cluster_->Signal(SIGINT);
    const auto status = cluster_->Await(absl::Now() + kPatience);
    EXPECT_TRUE(status.has_value() && status->ok()) << Read(launcher_log_);
  }

  std::string WriteSecret(const std::string& name, const std::string& text) {
    const std::string path = directory_.Path(name + ".token");
    EXPECT_TRUE(PosixFileSystem()->Write(path, text + "\n").ok());
    EXPECT_EQ(chmod(path.c_str(), 0600), 0);
    return path;
  }
  static std::string Read(const std::string& path) {
    return PosixFileSystem()->Read(path).value_or("");
  }
  std::unique_ptr<Process> Start(const std::string& binary, std::vector<std::string> arguments) {
    ProcessOptions options;
    output_ = directory_.Path(absl::StrCat("output-", ++launches_));
    options.log_file = output_;
    options.command = {JoinPath(BinaryDirectory(), binary)};
    options.command.insert(options.command.end(), arguments.begin(), arguments.end());
    auto process = Process::Start(options);
    EXPECT_TRUE(process.ok()) << process.status();
    return process.ok() ? *std::move(process) : nullptr;
  }
  int Run(const std::string& binary, std::vector<std::string> arguments) {
    const auto process = Start(binary, std::move(arguments));
    const auto status = process->Await(absl::Now() + kPatience);
    EXPECT_TRUE(status.has_value()) << "still running: " << Read(output_);
    return status.has_value() ? status->code : -1;
  }
  template <typename Look>
  void Await(const std::string& what, Look look) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (!look()) {
      ASSERT_FALSE(cluster_->Await(absl::Now() + absl::Milliseconds(5)).has_value())
          << "ended before " << what << "\n"
          << Read(launcher_log_);
      ASSERT_LT(absl::Now(), deadline) << what << "\n" << Read(launcher_log_);
    }
  }
  std::string Endpoint(const std::string& name) const {
    const auto file = ReadClusterFile(*PosixFileSystem(), JoinPath(out_, kClusterFile));
    for (const RoleAddress& process : file->processes) {
      if (process.name == name) return process.grpc;
    }
    return "";
  }
  // What a role says to whom has these certificates and this token (empty: none).
  absl::Status AskRole(const std::string& name, const std::optional<v1::TlsConfig>& tls,
                       const std::string& token) {
    ChannelOptions options;
    options.security.tls = tls;
    options.security.token_file = token;
    auto channel = MakeChannel(name, Endpoint(name), options);
    if (!channel.ok()) return channel.status();
    return AskStatus(*channel, kAnswerTimeout).status();
  }
  std::string TokenOf(const std::string& role) { return directory_.Path(role + ".token"); }
  void ExpectNoSecretIn(const std::string& path) {
    for (const char* secret : kSecrets) {
      EXPECT_THAT(Read(path), AllOf(Not(HasSubstr(secret)), Not(HasSubstr("PRIVATE KEY")))) << path;
    }
  }

  TemporaryDirectory directory_;
  TestAuthority authority_{directory_.path(), "ca"};
  const v1::TlsConfig tls_ = authority_.Issue("cluster");
  const std::string config_ = directory_.Path("run.yaml");
  const std::string out_ = directory_.Path("run");
  std::string output_, launcher_log_;
  int launches_ = 0;
  std::unique_ptr<Process> cluster_;
};

TEST_F(SecuredClusterTest, TrainsAndTheCommandsReachItByItsDirectory) {
  EXPECT_EQ(Run("anabranch", {"status", out_}), 0) << Read(output_);
  EXPECT_THAT(Read(output_), AllOf(HasSubstr("replay"), HasSubstr("reward"), HasSubstr("learner"),
                                   HasSubstr("actor-0"), HasSubstr("serving")));
  EXPECT_EQ(Run("anabranch", {"health", Endpoint("actor-0"), "--config", config_}), 0)
      << Read(output_);
  EXPECT_EQ(Run("anabranch", {"objects", out_, "--top", "3"}), 0) << Read(output_);
  // Neither logs nor what others may read: command lines, configuration, addresses.
  for (const char* name : {"replay", "reward", "learner", "actor-0"}) {
    EXPECT_THAT(Read(LogFileOf(out_, name)), HasSubstr("mTLS"));
    ExpectNoSecretIn(LogFileOf(out_, name));
    ExpectNoSecretIn(AddressFileOf(out_, name));
  }
  ExpectNoSecretIn(ClusterConfigPath(out_));
  ExpectNoSecretIn(launcher_log_);
}

TEST_F(SecuredClusterTest, ATokenOpensItsRoleAloneAndNothingOpensWithoutACertificate) {
  const std::vector<std::string> roles = {"replay", "reward", "learner"};
  for (const std::string& role : roles) {
    EXPECT_TRUE(AskRole(role, tls_, TokenOf(role)).ok()) << role;
    const absl::Status none = AskRole(role, tls_, "");
    EXPECT_EQ(none.code(), absl::StatusCode::kUnauthenticated) << none;
    EXPECT_EQ(ReasonOf(none), "NO_TOKEN");
    for (const std::string& other : roles) {
      if (other == role) continue;
      EXPECT_EQ(ReasonOf(AskRole(role, tls_, TokenOf(other))), "BAD_TOKEN") << other;
    }
    EXPECT_TRUE(absl::IsUnavailable(AskRole(role, authority_.Trusting(), TokenOf(role))));
    EXPECT_TRUE(absl::IsUnavailable(AskRole(role, std::nullopt, "")));
    const std::string log = Read(LogFileOf(out_, role));
    EXPECT_THAT(log, AllOf(HasSubstr("NO_TOKEN"), HasSubstr("BAD_TOKEN"), HasSubstr("peer=cluster"),
                           HasSubstr("a TLS handshake failed")));
    ExpectNoSecretIn(LogFileOf(out_, role));
  }
}

TEST_F(SecuredClusterTest, AnActorWithAnotherTokenEndsAndSaysWhy) {
  WriteSecret("stale", "swordfish-stale");
  EXPECT_EQ(Run("anabranch-actor",
                {config_, "--name", "late", "--set", "cluster.replay_address=" + Endpoint("replay"),
                 "--set", "cluster.reward_address=" + Endpoint("reward"), "--set",
                 "cluster.learner_address=" + Endpoint("learner"), "--set",
                 "cluster.replay_token_file=" + TokenOf("stale")}),
            1);
  EXPECT_THAT(Read(output_), AllOf(HasSubstr(Endpoint("replay")), HasSubstr("BAD_TOKEN"),
                                   HasSubstr("UNAUTHENTICATED"), Not(HasSubstr("swordfish"))));
}

}  // namespace
}  // namespace anabranch
