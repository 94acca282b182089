// anabranch-replay: keeps trajectories for learners, and objects for people.
#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "replay/replay_metrics.h"
#include "replay/replay_process.h"
#include "replay/replay_rpc.h"
#include "runtime/rpc/role_process.h"
#include "runtime/rpc/weight_store.h"
#include "runtime/rpc/weights_service.h"

namespace anabranch {
namespace {

constexpr absl::Duration kDrainTimeout = absl::Seconds(10);  // For leases to be acknowledged.
constexpr absl::Duration kStopTimeout = absl::Seconds(2);    // For streams to hear of it.

// The newest weights, kept for actors that start while the learner is away.
absl::StatusOr<std::unique_ptr<WeightStore>> MakeWeightStore(const ReplayService& replay) {
  WeightStoreOptions options;
  options.run_id = replay.options().run_id;
  options.environment_fingerprint = replay.options().environment_fingerprint;
  return WeightStore::Create(options);
}

// Takes nothing more in, lets learners finish, and keeps the rest.
absl::Status End(const std::string& directory, ReplayProcess& replay, ReplayRpc& rpc,
                 WeightsService& weights, RoleServer& server, Log& log) {
  server.rpc().SetNotServing(v1::ROLE_STATE_DRAINING, "draining");
  log.Info("draining: waiting for learners to acknowledge what they hold");
  const absl::Status drained = rpc.Drain(absl::Now() + kDrainTimeout);
  if (!drained.ok()) {
    log.Warning(absl::StrCat(drained.message(), "; it is handed out again after a restart"));
  }
  weights.Shutdown();
  server.rpc().Stop(kStopTimeout);
  const absl::Status saved = SaveReplayProcess(replay, directory, *PosixFileSystem());
  if (saved.ok() && !directory.empty()) log.Info("saved", {{"state", directory}});
  return saved;
}

absl::Status Run(RoleContext& context, const std::string& directory) {
  ReplayProcessOptions options;
  options.config = context.config();
  options.run_id = context.run_id_flag();
  options.state_directory = directory;
  options.server_incarnation = context.incarnation();
  auto replay = MakeReplayProcess(options, *PosixFileSystem());
  if (!replay.ok()) return replay.status();
  context.SetRunId(replay->run_id);
  if (directory.empty()) {
    context.log().Warning("without --state nothing that is held here outlives this process");
  } else if (absl::Status made = PosixFileSystem()->MakeDirectories(directory); !made.ok()) {
    return made;  // Better now than when everything is to be saved.
  }
  ReplayRpcOptions rpc_options;
  rpc_options.lease_timeout = absl::Seconds(context.config().replay().lease_timeout_seconds());
  if (absl::Status status = rpc_options.Validate(); !status.ok()) return status;
  ReplayRpc rpc(*replay->service, rpc_options);
  ExportReplayMetrics(*replay->service, context.metrics());
  auto store = MakeWeightStore(*replay->service);
  if (!store.ok()) return store.status();
  WeightsService weights(**store, WeightsServiceOptions(), context.log());
  auto server = context.Serve({&rpc, &weights}, [&](v1::GetStatusResponse& response) {
    DescribeReplay(*replay->service, response);
    if (const auto newest = (*store)->Newest(); newest != nullptr) {
      *response.mutable_policy() = newest->manifest.policy();
    }
  });
  if (!server.ok()) return server.status();
  (*server)->rpc().SetServing();
  context.log().Info(replay->restored ? "serving what was restored" : "serving",
                     {{"address", (*server)->rpc().address()}});
  context.shutdown().Await();
  return End(directory, *replay, rpc, weights, **server, context.log());
}

}  // namespace
}  // namespace anabranch

int main(int argc, char** argv) {
  std::string directory;
  anabranch::RoleProgram program;
  program.role = anabranch::v1::ROLE_REPLAY;
  program.summary = "Keeps trajectories for learners, and objects for people.";
  program.example = "anabranch-replay configs/hypergrid-8x8.yaml --state runs/8x8/replay";
  program.declare = [&](CLI::App& app) {
    app.add_option("--state", directory,
                   "Directory where everything is saved at the end, and restored from at start");
  };
  program.run = [&](anabranch::RoleContext& context) { return anabranch::Run(context, directory); };
  return anabranch::RunRole(argc, argv, program);
}
