// anabranch-actor: rolls out trajectories for a learner that may be anywhere.
#include <ATen/Parallel.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "actor/actor_process.h"
#include "runtime/components/run_components.h"
#include "runtime/components/snapshot_codec.h"
#include "runtime/rpc/remote_clients.h"
#include "runtime/rpc/remote_reward.h"
#include "runtime/rpc/role_process.h"
#include "runtime/rpc/weight_subscriber.h"

namespace anabranch {
namespace {

struct ActorFlags {
  std::string ledger;
  std::string state;
  std::optional<uint64_t> stream;
};

void Declare(CLI::App& app, ActorFlags& flags) {
  app.add_option("--ledger", flags.ledger,
                 "File to which every acknowledged batch is written, one JSON object a line");
  app.add_option("--state", flags.state,
                 "Directory, of this actor alone, of trajectories that wait for a slow oracle, so "
                 "that they outlive it. Default: memory");
  app.add_option("--stream", flags.stream,
                 "Number of this actor's random stream; each actor of a run needs its own. "
                 "Default: drawn at each start");
}

// Everything that the actor reaches through a socket.
struct Connections {
  std::unique_ptr<RemoteReward> reward;
  std::unique_ptr<ReplayClient> replay;
  std::unique_ptr<WeightSubscriber> weights;
};

absl::StatusOr<Connections> Connect(RoleContext& context, const RunIdentity& identity,
                                    std::shared_ptr<const SnapshotCodec> codec) {
  auto reward = context.RewardChannel();
  if (!reward.ok()) return reward.status();
  auto replay = context.ReplayChannel();
  if (!replay.ok()) return replay.status();
  auto learner = context.LearnerChannel();
  if (!learner.ok()) return learner.status();
  Connections connections;
  RemoteClientOptions reward_options;
  reward_options.call_timeout = absl::Seconds(context.config().actor().reward_timeout_seconds());
  connections.reward = std::make_unique<RemoteReward>(*std::move(reward), reward_options);
  RemoteReplayOptions replay_options;
  replay_options.client.seed = identity.incarnation;
  connections.replay = MakeRemoteReplayClient(*replay, replay_options, context.log());
  WeightSubscriberOptions weights;
  weights.handshake.set_run_id(identity.run_id);
  weights.handshake.set_environment_fingerprint(identity.environment_fingerprint);
  weights.handshake.mutable_source()->set_client_incarnation(identity.incarnation);
  weights.handshake.mutable_source()->set_actor_name(context.name());
  weights.schema_sha256 = codec->schema_sha256();
  weights.seed = identity.incarnation;
  auto subscriber = WeightSubscriber::Start(
      weights, {{"learner", *learner}, {"replay", *replay}},
      [codec](const v1::SnapshotManifest& manifest, absl::string_view blob) {
        return codec->Decode(manifest, blob);
      },
      context.log(), context.metrics());
  if (!subscriber.ok()) return subscriber.status();
  connections.weights = *std::move(subscriber);
  return connections;
}

absl::Status Work(RoleContext& context, const ActorFlags& flags) {
  const v1::RunConfig& config = context.config();
  at::set_num_threads(config.threads() > 0 ? static_cast<int>(config.threads()) : 1);
  auto components = MakeRunComponents(config);
  if (!components.ok()) return components.status();
  auto model = components->MakeModel(config);
  if (!model.ok()) return model.status();
  const auto codec = std::make_shared<const SnapshotCodec>(*model->parameters);
  ActorProcessOptions options;
  options.incarnation = context.incarnation();
  options.name = context.name();
  options.stream = flags.stream;
  options.ledger = flags.ledger;
  options.state = flags.state;
  auto process = ActorProcess::Create(config, options, *components, *std::move(model),
                                      context.metrics(), context.log());
  if (!process.ok()) return process.status();
  ActorProcess& actor = **process;
  auto server =
      context.Serve({}, [&actor](v1::GetStatusResponse& response) { actor.Describe(response); });
  if (!server.ok()) return server.status();
  RpcServer& rpc = (*server)->rpc();
  context.shutdown().OnRequest([&actor, &rpc] {
    rpc.SetNotServing(v1::ROLE_STATE_DRAINING, "has been asked to end");
    actor.Stop();
  });
  const std::string& environment = components->environment->spec().fingerprint;
  auto run_id = context.AwaitRun(environment);
  if (!run_id.ok()) return run_id.status();
  auto connections = Connect(context, {*run_id, environment, context.incarnation()}, codec);
  if (!connections.ok()) return connections.status();
  RemoteReward& reward = *connections->reward;
  const ActorPeers peers = {&reward, [&reward] { reward.Cancel(); }, connections->replay.get(),
                            connections->weights.get()};
  const absl::Status status = actor.Run(*run_id, peers, [&rpc] { rpc.SetServing(); });
  if (!status.ok()) rpc.SetNotServing(v1::ROLE_STATE_FAILED, status.message());
  return status;
}

}  // namespace
}  // namespace anabranch

int main(int argc, char** argv) {
  anabranch::ActorFlags flags;
  anabranch::RoleProgram program;
  program.role = anabranch::v1::ROLE_ACTOR;
  program.summary =
      "Rolls out trajectories with the newest weights, has them scored, and hands "
      "them to replay. Actors join and leave at any time.";
  program.example = "anabranch-actor configs/hypergrid-8x8.yaml --name actor-1";
  program.declare = [&flags](CLI::App& app) { anabranch::Declare(app, flags); };
  program.run = [&flags](anabranch::RoleContext& context) {
    return anabranch::Work(context, flags);
  };
  return anabranch::RunRole(argc, argv, program);
}
