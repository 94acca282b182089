#include "cli/objects/object_source.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cli/cluster/cluster_directory.h"
#include "cli/cluster/cluster_file.h"
#include "cli/health/role_client.h"
#include "learner/run_directory.h"
#include "replay/replay_options.h"
#include "replay/replay_service.h"
#include "replay/replay_state_file.h"
#include "runtime/components/environment_components.h"
#include "runtime/config.h"
#include "runtime/file_system.h"
#include "runtime/log.h"
#include "runtime/rpc/channel.h"
#include "runtime/rpc/remote_clients.h"

namespace anabranch {
namespace {

constexpr absl::Duration kAnswerTimeout = absl::Seconds(2);

void Identify(const std::string& run_id, const std::string& environment, uint64_t seed,
              ObjectSource& source) {
  source.handshake.set_run_id(run_id);
  source.handshake.set_environment_fingerprint(environment);
  source.provenance = {run_id, seed, environment};
}

// A replay server of this process, with the state that another one has left.
absl::StatusOr<std::unique_ptr<ReplayClient>> Restore(const v1::RunConfig& config,
                                                      const v1::Handshake& handshake,
                                                      const std::string& state) {
  auto replay = ReplayService::Create(ReplayServiceOptions::FromConfig(
      config, handshake.run_id(), handshake.environment_fingerprint()));
  if (!replay.ok()) return replay.status();
  if (absl::Status status = (*replay)->Restore(state); !status.ok()) return status;
  return *std::move(replay);
}

absl::StatusOr<ObjectSource> FromCheckpoint(const std::string& path) {
  auto opened = OpenRun(*PosixFileSystem(), path);
  if (!opened.ok()) return opened.status();
  const Checkpoint& checkpoint = opened->checkpoint;
  const auto state = checkpoint.files.find(kReplayFile);
  if (state == checkpoint.files.end()) {
    return absl::DataLossError(absl::StrCat(
        checkpoint.path, " has no ", kReplayFile,
        "; a cluster's objects are its replay's: give the cluster's directory instead"));
  }
  const v1::CheckpointManifest& manifest = checkpoint.manifest;
  ObjectSource source;
  Identify(manifest.run_id(), manifest.environment_fingerprint(), manifest.config().seed(), source);
  auto replay = Restore(manifest.config(), source.handshake, state->second);
  if (!replay.ok()) return replay.status();
  source.replay = *std::move(replay);
  source.warnings = std::move(opened->warnings);
  return source;
}

// False, with a warning: the server runs, but doesn't talk to us.
bool PassOver(const absl::Status& status, ObjectSource& source) {
  source.warnings.push_back(absl::StrCat(
      "read is what the replay server saved last, since it can't be asked: ", status.message()));
  return false;
}

// True, with `source` filled in, if the cluster's replay server answers.
bool AskServer(const ClusterFile& cluster, const v1::RunConfig& config, ObjectSource& source) {
  const auto replay =
      std::find_if(cluster.processes.begin(), cluster.processes.end(),
                   [](const RoleAddress& process) { return process.role == "replay"; });
  if (replay == cluster.processes.end()) return false;
  auto channel =
      MakeChannel("replay", replay->grpc, OptionsTo(v1::ROLE_REPLAY, config.cluster(), false));
  if (!channel.ok()) return PassOver(channel.status(), source);
  auto info = AskReplayInfo(*channel, kAnswerTimeout);
  if (absl::IsUnauthenticated(info.status())) return PassOver(info.status(), source);
  // Its port may be somebody else's by now.
  if (!info.ok() || info->run_id() != cluster.run_id) return false;
  Identify(info->run_id(), info->environment_fingerprint(), config.seed(), source);
  source.replay = MakeRemoteReplayClient(*std::move(channel), RemoteReplayOptions(), NullLog());
  return true;
}

absl::StatusOr<ObjectSource> FromCluster(const std::string& path) {
  auto cluster = ReadClusterFile(*PosixFileSystem(), JoinPath(path, kClusterFile));
  if (!cluster.ok()) return cluster.status();
  auto config = LoadRunConfig(*PosixFileSystem(), ClusterConfigPath(path));
  if (!config.ok()) return config.status();
  ObjectSource source;
  if (AskServer(*cluster, *config, source)) return source;
  const std::string directory = JoinPath(path, kReplayDirectory);
  auto saved = LoadReplayState(*PosixFileSystem(), directory);
  if (!saved.ok()) return saved.status();
  if (!saved->has_value()) {
    return absl::NotFoundError(absl::StrCat(directory, " has no ", kReplayStateFile,
                                            ", and no replay server of the cluster answers"));
  }
  auto environment = MakeEnvironment(config->environment());
  if (!environment.ok()) return environment.status();
  Identify((*saved)->run_id, (*environment)->spec().fingerprint, config->seed(), source);
  auto replay = Restore(*config, source.handshake, (*saved)->state);
  if (!replay.ok()) return replay.status();
  source.replay = *std::move(replay);
  return source;
}

}  // namespace

absl::StatusOr<ObjectSource> OpenObjectSource(const std::string& path) {
  auto cluster = PosixFileSystem()->Exists(JoinPath(path, kClusterFile));
  if (!cluster.ok()) return cluster.status();
  return *cluster ? FromCluster(path) : FromCheckpoint(path);
}

}  // namespace anabranch
