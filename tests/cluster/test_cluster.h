// Real processes on loopback, in a directory of their own, at a test's mercy.
#ifndef ANABRANCH_TESTS_CLUSTER_TEST_CLUSTER_H_
#define ANABRANCH_TESTS_CLUSTER_TEST_CLUSTER_H_

#include <grpcpp/channel.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "anabranch/v1/replay.pb.h"
#include "anabranch/v1/status.pb.h"
#include "cli/cluster/role_command.h"
#include "cli/cluster/supervised_role.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {

// Nobody is restarted unless the test says so; whoever is gets its former port. Expectations that
// don't come true within kPatience fail the test, with the end of each log. Not thread-safe.
class TestCluster {
 public:
  static constexpr absl::Duration kPatience = absl::Minutes(4);

  // `config` is one of configs/; `set` goes over it for all processes.
  TestCluster(const std::string& config, std::vector<std::string> set);
  ~TestCluster();

  // More arguments for a process, from its next start on.
  void AddArguments(const std::string& name, std::vector<std::string> arguments) {
    arguments_[name] = std::move(arguments);
  }

  // replay, reward, learner and so many actors, each once its peers listen.
  void StartAll(int actors);
  // "replay", "reward", "learner", or any other name for an actor. It is not running.
  void Start(const std::string& name);
  // As Start, then waits until it listens.
  void StartAndAwait(const std::string& name);
  // An actor that was never there before; returns its name.
  std::string AddActor();

  void Signal(const std::string& name, int number);
  // Ends it without a chance to save or flush anything.
  void Kill(const std::string& name);
  // Blocks until the process ends.
  ExitStatus AwaitEnd(const std::string& name);
  // SIGTERM, and what became of it.
  ExitStatus EndInOrder(const std::string& name);
  bool IsRunning(const std::string& name) { return Role(name).running(); }
  std::vector<std::string> RunningActors();

  // Blocks until the process answers, and the answer is as wanted; returns it.
  v1::GetStatusResponse AwaitStatus(
      const std::string& name, const std::function<bool(const v1::GetStatusResponse&)>& wanted);
  v1::GetInfoResponse AwaitInfo(const std::function<bool(const v1::GetInfoResponse&)>& wanted);
  // Until the learner has done so many steps.
  v1::GetStatusResponse AwaitStep(uint64_t step);

  const std::string& directory() const { return directory_.path(); }
  std::string Log(const std::string& name) const;
  std::string Endpoint(const std::string& name) { return Role(name).endpoint(); }
  // HOST:PORT of a process that listens.
  std::string MetricsEndpoint(const std::string& name) { return Role(name).address()->metrics; }
  // The command line that Start would use, to be changed at will.
  std::vector<std::string> Command(const std::string& name, const std::string& listen);

 private:
  SupervisedRole& Role(const std::string& name);
  std::shared_ptr<grpc::Channel> ChannelTo(const std::string& name);
  // Calls `look` until it is true; false, and the test has failed, after kPatience or when a
  // process that `needed` names has ended.
  bool Await(const std::string& what, const std::string& needed, const std::function<bool()>& look);
  std::string AllLogs();

  TemporaryDirectory directory_;
  RoleCommandOptions options_;
  std::map<std::string, SupervisedRole> roles_;
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_;
  std::map<std::string, std::vector<std::string>> arguments_;
  int actors_ = 0;
};

// The role of a process that the test names so.
v1::Role RoleOfName(const std::string& name);

// The directory of the binaries under test.
std::string BinaryDirectory();

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_CLUSTER_TEST_CLUSTER_H_
