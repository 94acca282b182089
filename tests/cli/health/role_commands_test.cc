// `anabranch health` and `anabranch status` against servers as the roles have them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "cli/cluster/cluster_file.h"
#include "cli/health/health_command.h"
#include "cli/status/status_command.h"
#include "nlohmann/json.hpp"
#include "runtime/log.h"
#include "runtime/metrics.h"
#include "runtime/rpc/server.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using ::testing::HasSubstr;

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

// A role without a service of its own.
class RoleCommandsTest : public testing::Test {
 protected:
  RoleCommandsTest() {
    RpcServerOptions options;
    options.listen = "127.0.0.1:0";
    auto server = RpcServer::Start(
        options, {},
        [this](v1::GetStatusResponse& status) {
          status.set_role(v1::ROLE_ACTOR);
          status.set_name("actor-3");
          status.set_version("0.1.0");
          status.set_run_id("grid-1");
          status.set_incarnation(5);
          v1::Total& total = *status.add_totals();
          total.set_name("trajectories");
          total.set_value(++asked_ * 100);
        },
        metrics_, NullLog());
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  std::atomic<int> asked_ = 0;
  Metrics metrics_{"actor"};
  std::unique_ptr<RpcServer> server_;
};

TEST_F(RoleCommandsTest, HealthIsOneWordAndAnExitStatus) {
  Outcome probe = Call(RunHealthCommand, {server_->address()});
  EXPECT_EQ(probe.status, 1);
  EXPECT_EQ(probe.out, "NOT_SERVING\n");
  server_->SetServing();
  probe = Call(RunHealthCommand, {server_->address()});
  EXPECT_EQ(probe.status, 0) << probe.err;
  EXPECT_EQ(probe.out, "SERVING\n");
  EXPECT_EQ(probe.err, "");
  EXPECT_EQ(
      Call(RunHealthCommand, {server_->address(), "--service", "anabranch.v1.StatusService"}).out,
      "SERVING\n");
  server_->SetNotServing(v1::ROLE_STATE_DRAINING, "leaving");
  EXPECT_EQ(Call(RunHealthCommand, {server_->address()}).status, 1);
}

TEST_F(RoleCommandsTest, HealthTellsWhatCannotBeProbed) {
  const Outcome service = Call(RunHealthCommand, {server_->address(), "--service", "no.Such"});
  EXPECT_EQ(service.status, 1);
  EXPECT_EQ(service.out, "UNKNOWN\n");
  EXPECT_THAT(service.err, HasSubstr("no.Such"));
  const std::string address = server_->address();
  server_.reset();
  const Outcome gone = Call(RunHealthCommand, {address});
  EXPECT_EQ(gone.status, 1);
  EXPECT_EQ(gone.out, "UNREACHABLE\n");
  EXPECT_THAT(gone.err, HasSubstr(address));
}

TEST_F(RoleCommandsTest, HealthRefusesWrongUsage) {
  EXPECT_EQ(Call(RunHealthCommand, {}).status, 2);
  EXPECT_EQ(Call(RunHealthCommand, {"nonsense"}).status, 2);
  EXPECT_EQ(Call(RunHealthCommand, {server_->address(), "--timeout", "0"}).status, 2);
  const Outcome far = Call(RunHealthCommand, {"192.0.2.1:7401"});
  EXPECT_EQ(far.status, 2);
  EXPECT_THAT(far.err, HasSubstr("--insecure"));
}

TEST_F(RoleCommandsTest, StatusAsksTwiceForRatesAndFailsUnlessAllServe) {
  server_->SetServing();
  const Outcome one = Call(RunStatusCommand, {server_->address()});
  EXPECT_EQ(one.status, 0) << one.err;
  EXPECT_THAT(one.out, HasSubstr("actor-3"));
  EXPECT_THAT(one.out, HasSubstr("trajectories/s"));
  const Outcome two = Call(RunStatusCommand, {server_->address(), "127.0.0.1:1", "--once"});
  EXPECT_EQ(two.status, 1);
  EXPECT_THAT(two.out, HasSubstr("300 trajectories"));
  EXPECT_THAT(two.out, HasSubstr("127.0.0.1:1: "));
}

TEST_F(RoleCommandsTest, StatusReadsAClustersDirectory) {
  TemporaryDirectory directory;
  EXPECT_EQ(Call(RunStatusCommand, {directory.path()}).status, 1);
  EXPECT_THAT(Call(RunStatusCommand, {directory.path()}).err, HasSubstr("cluster.json"));
  server_->SetServing();
  ClusterFile file{"grid-1", 1, {{"actor", "actor-3", 2, server_->address(), ""}}};
  const std::string path = directory.Path(kClusterFile);
  ASSERT_TRUE(WriteClusterFile(*PosixFileSystem(), path, file).ok());
  const Outcome json = Call(RunStatusCommand, {directory.path(), "--once", "--json"});
  EXPECT_EQ(json.status, 0) << json.err;
  EXPECT_EQ(nlohmann::json::parse(json.out)[0]["name"], "actor-3");
  file.processes.clear();
  ASSERT_TRUE(WriteClusterFile(*PosixFileSystem(), path, file).ok());
  const Outcome ended = Call(RunStatusCommand, {directory.path()});
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, HasSubstr("has ended"));
}

TEST_F(RoleCommandsTest, StatusRefusesWrongUsage) {
  EXPECT_EQ(Call(RunStatusCommand, {"--twice"}).status, 2);
  EXPECT_EQ(Call(RunStatusCommand, {"127.0.0.1:port"}).status, 2);
}

}  // namespace
}  // namespace anabranch
