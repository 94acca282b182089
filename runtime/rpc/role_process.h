// What the four processes of a cluster have in common: flags, configuration, log, metrics, server,
// and how they end. A role's main declares the flags of its own and hands over its work:
//
//   int main(int argc, char** argv) {
//     std::string ledger;
//     anabranch::RoleProgram program;
//     program.role = anabranch::v1::ROLE_ACTOR;
//     program.summary = "Rolls out trajectories for a learner.";
//     program.example = "anabranch-actor configs/hypergrid-8x8.yaml --name actor-1";
//     program.declare = [&](CLI::App& app) { app.add_option("--ledger", ledger, "..."); };
//     program.run = [&](anabranch::RoleContext& context) { return Work(context, ledger); };
//     return anabranch::RunRole(argc, argv, program);
//   }
#ifndef ANABRANCH_RUNTIME_RPC_ROLE_PROCESS_H_
#define ANABRANCH_RUNTIME_RPC_ROLE_PROCESS_H_

#include <grpcpp/channel.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "anabranch/v1/config.pb.h"
#include "anabranch/v1/status.pb.h"
#include "runtime/log.h"
#include "runtime/metrics.h"
#include "runtime/rpc/server.h"
#include "runtime/shutdown.h"

namespace CLI {
class App;
}  // namespace CLI

namespace anabranch {

struct RoleFlags;

// The server of a role and its metrics' endpoint. Both call into what the role has built (services,
// Describe, OnScrape), and so does Shutdown::OnRequest: declare it after that. Its destructor ends
// both, and makes `shutdown` forget what it would have called.
class RoleServer {
 public:
  RoleServer(std::unique_ptr<RpcServer> rpc, std::unique_ptr<MetricsEndpoint> metrics,
             Shutdown& shutdown);
  ~RoleServer();

  RpcServer& rpc() { return *rpc_; }
  // HOST:PORT; empty with --metrics-listen off.
  std::string metrics_address() const { return metrics_ == nullptr ? "" : metrics_->address(); }

 private:
  const std::unique_ptr<MetricsEndpoint> metrics_;
  const std::unique_ptr<RpcServer> rpc_;
  Shutdown& shutdown_;
};

// What a role works with. Thread-safe.
class RoleContext {
 public:
  // For RunRole. `flags` are complete (CompleteRoleFlags).
  RoleContext(v1::Role role, const RoleFlags& flags, const v1::RunConfig& config,
              uint64_t incarnation, Log& log, Shutdown& shutdown);
  ~RoleContext();

  const v1::RunConfig& config() const;
  Log& log();
  Metrics& metrics();
  // Requested by a signal; the role then drains and returns.
  Shutdown& shutdown();
  // --name, else "replay", "reward", "learner", or "actor-" with four drawn digits.
  const std::string& name() const;
  // --run-id; empty if not given.
  const std::string& run_id_flag() const;
  // Random, never 0.
  uint64_t incarnation() const;
  // --insecure.
  bool insecure() const;

  // A new connection to the address in `cluster.*`; errors name the key.
  absl::StatusOr<std::shared_ptr<grpc::Channel>> ReplayChannel() const;
  absl::StatusOr<std::shared_ptr<grpc::Channel>> RewardChannel() const;
  absl::StatusOr<std::shared_ptr<grpc::Channel>> LearnerChannel() const;

  // Listens at --listen and --metrics-listen, then writes --address-file (where an older one was
  // removed at start). Health is NOT_SERVING
  // until rpc().SetServing(). `describe` adds totals, waits, policy and training; role, name,
  // version, run id and incarnation are filled in here. Once a process.
  absl::StatusOr<std::unique_ptr<RoleServer>> Serve(const std::vector<grpc::Service*>& services,
                                                    RpcServer::Describe describe);

  // The run that replay serves: --run-id if given, else asks replay, waiting until it answers and
  // saying every few seconds whom for. Calls SetRunId. CANCELLED on shutdown; FAILED_PRECONDITION
  // names both environments if replay holds another.
  absl::StatusOr<std::string> AwaitRun(const std::string& environment_fingerprint);
  // In every line of the log and in GetStatus from now on.
  void SetRunId(absl::string_view run_id);

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

struct RoleProgram {
  v1::Role role = v1::ROLE_UNSPECIFIED;
  std::string summary;  // One sentence for --help.
  std::string example;  // One command line for --help.
  // Adds the role's own flags; may be empty.
  std::function<void(CLI::App&)> declare;
  // The role's life: returns when shutdown is requested or its work is done, everything flushed.
  // CANCELLED after a requested shutdown counts as OK. INVALID_ARGUMENT means wrong configuration.
  std::function<absl::Status(RoleContext&)> run;
};

// What main returns: 0 ended in order, 1 failed, 2 wrong usage or configuration. An error is one
// line of the log.
int RunRole(int argc, char** argv, const RoleProgram& program);

// Asks replay over `channel` which run it serves; RoleContext::AwaitRun without a flag. `address`
// is for messages.
absl::StatusOr<std::string> AskForRun(const std::shared_ptr<grpc::Channel>& channel,
                                      absl::string_view address,
                                      const std::string& environment_fingerprint,
                                      Shutdown& shutdown, Log& log);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_ROLE_PROCESS_H_
