#include "replay/replay_process.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "replay/replay_state_file.h"
#include "runtime/components/environment_components.h"
#include "runtime/components/reward_components.h"
#include "runtime/components/run_identity.h"

namespace anabranch {
namespace {

absl::StatusOr<std::string> RunOf(const ReplayProcessOptions& options,
                                  const std::optional<SavedReplay>& saved) {
  if (!saved.has_value()) {
    return options.run_id.empty() ? FreshRunId(options.config.run_name()) : options.run_id;
  }
  if (!options.run_id.empty() && options.run_id != saved->run_id) {
    return absl::FailedPreconditionError(absl::StrCat(
        "--run-id is \"", options.run_id, "\", but \"", options.state_directory, "\" holds run \"",
        saved->run_id, "\"; leave --run-id out to go on with that, or give another --state"));
  }
  return saved->run_id;
}

}  // namespace

absl::StatusOr<ReplayProcess> MakeReplayProcess(const ReplayProcessOptions& options,
                                                const FileSystem& file_system) {
  auto environment = MakeEnvironment(options.config.environment());
  if (!environment.ok()) return environment.status();
  auto reward = MakeRewardComponents(options.config);
  if (!reward.ok()) return reward.status();
  std::optional<SavedReplay> saved;
  if (!options.state_directory.empty()) {
    auto loaded = LoadReplayState(file_system, options.state_directory);
    if (!loaded.ok()) return loaded.status();
    saved = *std::move(loaded);
  }
  auto run_id = RunOf(options, saved);
  if (!run_id.ok()) return run_id.status();
  ReplayServiceOptions service_options =
      ReplayServiceOptions::FromConfig(options.config, *run_id, (*environment)->spec().fingerprint);
  service_options.reward_shaping_hash = reward->shaping.hash();
  service_options.server_incarnation = options.server_incarnation;
  service_options.clock = absl::Now;
  auto service = ReplayService::Create(std::move(service_options));
  if (!service.ok()) return service.status();
  if (saved.has_value()) {
    const absl::Status restored = (*service)->Restore(saved->state);
    if (!restored.ok()) {
      return absl::Status(restored.code(),
                          absl::StrCat("\"", JoinPath(options.state_directory, kReplayStateFile),
                                       "\" can't be restored: ", restored.message()));
    }
  }
  return ReplayProcess{*std::move(run_id), saved.has_value(), *std::move(service)};
}

absl::Status SaveReplayProcess(const ReplayProcess& process, const std::string& state_directory,
                               FileSystem& file_system) {
  if (state_directory.empty()) return absl::OkStatus();
  auto state = process.service->Save();
  if (!state.ok()) return state.status();
  return SaveReplayState(file_system, state_directory, {process.run_id, *std::move(state)});
}

}  // namespace anabranch
