// `anabranch health` and `anabranch status` against a role that asks for certificate and token.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/cluster/cluster_file.h"
#include "cli/health/health_command.h"
#include "cli/status/status_command.h"
#include "runtime/file_system.h"
#include "runtime/log.h"
#include "runtime/metrics.h"
#include "runtime/rpc/server.h"
#include "tests/runtime/rpc/test_certificates.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

struct Outcome {
  int status;
  std::string out;
  std::string err;
};

template <typename Command>
Outcome Call(Command command, const std::vector<std::string>& arguments) {
  std::ostringstream out, err;
  const int status = command(arguments, out, err);
  return {status, out.str(), err.str()};
}

class SecuredCommandsTest : public testing::Test {
 protected:
  SecuredCommandsTest() {
    Write("replay.token", "swordfish\n");
    Write("reward.token", "trout\n");
    server_ = Serve(authority_.Issue("replay"));
  }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = directory_.Path(name);
    EXPECT_TRUE(PosixFileSystem()->Write(path, text).ok());
    EXPECT_EQ(chmod(path.c_str(), 0600), 0);
    return path;
  }
  std::unique_ptr<RpcServer> Serve(const v1::TlsConfig& tls) {
    RpcServerOptions options;
    options.listen = "127.0.0.1:0";
    options.security.tls = tls;
    options.security.token_file = directory_.Path("replay.token");
    auto server = RpcServer::Start(
        options, {}, [](v1::GetStatusResponse& status) { status.set_name("the-replay"); }, metrics_,
        NullLog());
    EXPECT_TRUE(server.ok()) << server.status();
    (*server)->SetServing();
    return *std::move(server);
  }
  // A run's configuration, of whose addresses `address_key` is the server's.
  std::string Config(const std::string& address_key) {
    return absl::StrCat("environment: {hypergrid: {dimensions: 2, side: 8}}\n", "cluster:\n  ",
                        address_key, ": \"", server_->address(), "\"\n",
                        "  replay_token_file: ", directory_.Path("replay.token"), "\n",
                        "  reward_token_file: ", directory_.Path("reward.token"), "\n",
                        "  tls:\n    ca_file: ", tls_.ca_file(),
                        "\n    certificate_file: ", tls_.certificate_file(),
                        "\n    key_file: ", tls_.key_file(), "\n");
  }
  std::string ConfigFile(const std::string& address_key) {
    return Write("run.yaml", Config(address_key));
  }

  TemporaryDirectory directory_;
  TestAuthority authority_{directory_.path(), "ca"};
  const v1::TlsConfig tls_ = authority_.Issue("probe");
  Metrics metrics_{"replay"};
  std::unique_ptr<RpcServer> server_;
};

TEST_F(SecuredCommandsTest, HealthNeedsTheConfigurationThatTheRoleHasAndNoToken) {
  const Outcome without = Call(RunHealthCommand, {server_->address()});
  EXPECT_EQ(without.status, 1);
  EXPECT_EQ(without.out, "UNREACHABLE\n");
  EXPECT_THAT(without.err, HasSubstr("is tls configured here"));
  const std::string config = ConfigFile("replay_address");
  ASSERT_TRUE(PosixFileSystem()->RemoveFile(directory_.Path("replay.token")).ok());
  const Outcome with = Call(RunHealthCommand, {server_->address(), "--config", config});
  EXPECT_EQ(with.status, 0) << with.err;
  EXPECT_EQ(with.out, "SERVING\n");
}

TEST_F(SecuredCommandsTest, HealthCanAskUnderTheNameInTheCertificate) {
  const auto elsewhere = Serve(authority_.Issue(TestAuthority::Subject{"x", "DNS:elsewhere"}));
  const std::string config = ConfigFile("replay_address");
  const Outcome wrong = Call(RunHealthCommand, {elsewhere->address(), "--config", config});
  EXPECT_EQ(wrong.status, 1);
  EXPECT_THAT(wrong.err, HasSubstr("for other names"));
  const Outcome right = Call(
      RunHealthCommand, {elsewhere->address(), "--config", config, "--server-name", "elsewhere"});
  EXPECT_EQ(right.status, 0) << right.err;
  EXPECT_EQ(Call(RunHealthCommand, {elsewhere->address(), "--server-name", "elsewhere"}).status, 2);
}

TEST_F(SecuredCommandsTest, StatusSendsARolesTokenToThatRoleAlone) {
  const Outcome right = Call(
      RunStatusCommand, {server_->address(), "--once", "--config", ConfigFile("replay_address")});
  EXPECT_EQ(right.status, 0) << right.out << right.err;
  EXPECT_THAT(right.out, HasSubstr("the-replay"));
  const Outcome other = Call(
      RunStatusCommand, {server_->address(), "--once", "--config", ConfigFile("reward_address")});
  EXPECT_EQ(other.status, 1);
  EXPECT_THAT(other.out, AllOf(HasSubstr("BAD_TOKEN"), Not(HasSubstr("the-replay"))));
  const std::string config = ConfigFile("replay_address");
  server_ = Serve(tls_);  // At an address that the configuration doesn't know.
  const Outcome unknown =
      Call(RunStatusCommand, {server_->address(), "--once", "--config", config});
  EXPECT_EQ(unknown.status, 1);
  EXPECT_THAT(unknown.out, HasSubstr("NO_TOKEN"));
}

TEST_F(SecuredCommandsTest, StatusAsksTheAddressesOfTheConfiguration) {
  const Outcome all = Call(RunStatusCommand, {"--once", "--config", ConfigFile("replay_address")});
  EXPECT_THAT(all.out, AllOf(HasSubstr("the-replay"), HasSubstr("127.0.0.1:7402"),
                             HasSubstr("127.0.0.1:7403")));
}

TEST_F(SecuredCommandsTest, StatusReadsTheConfigurationInAClustersDirectory) {
  ClusterFile file{"grid-1", 1, {{"replay", "replay", 2, server_->address(), ""}}};
  ASSERT_TRUE(WriteClusterFile(*PosixFileSystem(), directory_.Path(kClusterFile), file).ok());
  EXPECT_EQ(Call(RunStatusCommand, {directory_.path(), "--once"}).status, 1);
  ASSERT_TRUE(PosixFileSystem()->MakeDirectories(directory_.Path(kProcessesDirectory)).ok());
  ASSERT_TRUE(PosixFileSystem()
                  ->Write(ClusterConfigPath(directory_.path()), Config("learner_address"))
                  .ok());
  const Outcome status = Call(RunStatusCommand, {directory_.path(), "--once"});
  EXPECT_EQ(status.status, 0) << status.out << status.err;
  EXPECT_THAT(status.out, HasSubstr("the-replay"));
}

TEST_F(SecuredCommandsTest, FilesThatCannotBeUsedAreNamedByKeyAndPath) {
  const std::string config = ConfigFile("replay_address");
  ASSERT_TRUE(PosixFileSystem()->RemoveFile(tls_.key_file()).ok());
  for (const Outcome& outcome :
       {Call(RunStatusCommand, {server_->address(), "--config", config}),
        Call(RunHealthCommand, {server_->address(), "--config", config})}) {
    EXPECT_EQ(outcome.status, 2);
    EXPECT_THAT(outcome.err, AllOf(HasSubstr("cluster.tls.key_file"), HasSubstr(tls_.key_file())));
  }
}

}  // namespace
}  // namespace anabranch
