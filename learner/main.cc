// anabranch-learner: trains on what replay holds, and serves the weights.
#include <memory>
#include <string>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "learner/learner_process.h"
#include "learner/reward_budget.h"
#include "learner/weight_publisher.h"
#include "runtime/components/run_components.h"
#include "runtime/components/snapshot_codec.h"
#include "runtime/config.h"
#include "runtime/file_system.h"
#include "runtime/rpc/remote_clients.h"
#include "runtime/rpc/role_process.h"
#include "runtime/rpc/weight_store.h"
#include "runtime/rpc/weights_service.h"

namespace anabranch {
namespace {

// How long the last snapshot may take to reach replay, which keeps it for actors.
constexpr absl::Duration kLastPush = absl::Seconds(5);

// How long the reward service may take to tell its budget: the end of a run waits as long.
constexpr absl::Duration kBudgetQuestion = absl::Seconds(3);

struct LearnerFlags {
  std::string out;
  std::string ledger;
  std::string device;
};

void Declare(CLI::App& app, LearnerFlags& flags) {
  app.add_option("--out", flags.out,
                 "Directory for metrics, summary and checkpoints; a run that is there goes on")
      ->required();
  app.add_option("--ledger", flags.ledger,
                 "File to which every batch trained on is written, one JSON object a line");
  app.add_option("--device", flags.device,
                 "Where to compute: auto (a CUDA device if there is one), cpu or cuda:N; as "
                 "--set device=");
}

v1::Handshake HandshakeOf(const RunIdentity& identity, const std::string& name) {
  v1::Handshake handshake;
  handshake.set_run_id(identity.run_id);
  handshake.set_environment_fingerprint(identity.environment_fingerprint);
  handshake.mutable_source()->set_client_incarnation(identity.incarnation);
  handshake.mutable_source()->set_actor_name(name);
  return handshake;
}

// What serves the weights and brings them to replay.
struct Broadcast {
  std::unique_ptr<WeightStore> store;
  std::unique_ptr<WeightsService> service;
  std::unique_ptr<WeightPublisher> publisher;
};

absl::StatusOr<Broadcast> MakeBroadcast(RoleContext& context, const RunIdentity& identity,
                                        const Parameters& parameters,
                                        std::shared_ptr<grpc::Channel> replay) {
  WeightStoreOptions store;
  store.run_id = identity.run_id;
  store.environment_fingerprint = identity.environment_fingerprint;
  store.schema_sha256 = SchemaSha256(parameters.Schema());
  Broadcast broadcast;
  auto made = WeightStore::Create(store);
  if (!made.ok()) return made.status();
  broadcast.store = *std::move(made);
  broadcast.service =
      std::make_unique<WeightsService>(*broadcast.store, WeightsServiceOptions(), context.log());
  WeightPublisherOptions options;
  options.handshake = HandshakeOf(identity, context.name());
  options.seed = identity.incarnation;
  auto publisher =
      WeightPublisher::Create(options, parameters, *broadcast.store,
                              {{"replay", std::move(replay)}}, context.log(), context.metrics());
  if (!publisher.ok()) return publisher.status();
  broadcast.publisher = *std::move(publisher);
  return broadcast;
}

// Trains while the weights are served, until done or told to stop.
absl::Status Serve(RoleContext& context, LearnerProcess& process, Broadcast& broadcast) {
  auto server = context.Serve({broadcast.service.get()}, [&process](v1::GetStatusResponse& status) {
    process.Describe(status);
  });
  if (!server.ok()) return server.status();
  RpcServer& rpc = (*server)->rpc();
  context.shutdown().OnRequest([&process, &rpc] {
    rpc.SetNotServing(v1::ROLE_STATE_DRAINING, "has been asked to end");
    process.Stop();
  });
  auto summary = process.Run(
      *broadcast.publisher, [&broadcast] { return broadcast.publisher->fenced(); },
      [&rpc] { rpc.SetServing(); });
  if (!summary.ok()) {
    rpc.SetNotServing(v1::ROLE_STATE_FAILED, summary.status().message());
    broadcast.service->Shutdown();
    return summary.status();
  }
  rpc.SetNotServing(v1::ROLE_STATE_DRAINING, "training has ended");
  absl::Status flushed = broadcast.publisher->Flush(absl::Now() + kLastPush);
  if (!flushed.ok()) {
    context.log().Warning(
        absl::StrCat("the last snapshot may not have reached replay: ", flushed.message()));
  }
  broadcast.service->Shutdown();
  if (!summary->end_reason.empty()) context.log().Info(summary->end_reason);
  context.log().Info(summary->finished ? "done" : "stopped; the same command goes on",
                     {{"step", absl::StrCat(summary->metrics.value("step", int64_t{0}))},
                      {"checkpoint", summary->checkpoint}});
  return absl::OkStatus();
}

absl::Status Work(RoleContext& context, const LearnerFlags& flags) {
  LearnerProcessOptions options;
  options.config = context.config();
  if (!flags.device.empty()) options.config.set_device(flags.device);
  if (absl::Status status = ValidateRunConfig(options.config); !status.ok()) return status;
  auto components = MakeRunComponents(options.config);
  if (!components.ok()) return components.status();
  options.components = *std::move(components);
  options.identity.environment_fingerprint = options.components.environment->spec().fingerprint;
  options.identity.incarnation = context.incarnation();
  auto run_id = context.AwaitRun(options.identity.environment_fingerprint);
  if (!run_id.ok()) return run_id.status();
  options.identity.run_id = *std::move(run_id);
  options.directory = flags.out;
  options.ledger = flags.ledger;
  options.name = context.name();
  const RunIdentity identity = options.identity;

  auto channel = context.ReplayChannel();
  if (!channel.ok()) return channel.status();
  RemoteReplayOptions remote;
  remote.client.seed = identity.incarnation;
  remote.prefetch_batches = options.config.learner().prefetch_batches();
  const auto replay = MakeRemoteReplayClient(*channel, remote, context.log());
  std::unique_ptr<RewardClient> reward;
  if (HasLimit(options.config.reward().budget())) {
    auto oracle = context.RewardChannel();
    if (!oracle.ok()) return oracle.status();
    RemoteClientOptions watch = remote.client;
    watch.call_timeout = kBudgetQuestion;
    reward = MakeRemoteRewardClient(*std::move(oracle), watch);
    options.reward = reward.get();
  }
  auto process = LearnerProcess::Create(std::move(options), PosixFileSystem(), *replay,
                                        context.metrics(), context.log());
  if (!process.ok()) return process.status();
  auto broadcast = MakeBroadcast(context, identity, (*process)->parameters(), *channel);
  if (!broadcast.ok()) return broadcast.status();
  return Serve(context, **process, *broadcast);
}

}  // namespace
}  // namespace anabranch

int main(int argc, char** argv) {
  anabranch::LearnerFlags flags;
  anabranch::RoleProgram program;
  program.role = anabranch::v1::ROLE_LEARNER;
  program.summary = "Trains the policy on what replay holds, and serves its weights to actors.";
  program.example = "anabranch-learner configs/hypergrid-8x8.yaml --out runs/8x8";
  program.declare = [&](CLI::App& app) { Declare(app, flags); };
  program.run = [&](anabranch::RoleContext& context) { return anabranch::Work(context, flags); };
  return anabranch::RunRole(argc, argv, program);
}
