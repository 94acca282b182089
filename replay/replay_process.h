// The replay server as a process: from a configuration and a directory to a service, and back.
#ifndef ANABRANCH_REPLAY_REPLAY_PROCESS_H_
#define ANABRANCH_REPLAY_REPLAY_PROCESS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "anabranch/v1/config.pb.h"
#include "replay/replay_service.h"
#include "runtime/file_system.h"

namespace anabranch {

struct ReplayProcessOptions {
  v1::RunConfig config;             // Defaults filled in, validated.
  std::string run_id;               // Empty: the state's, or a fresh one where there is no state.
  std::string state_directory;      // Empty: nothing is restored, nothing saved.
  uint64_t server_incarnation = 0;  // Of this start, not 0.
};

struct ReplayProcess {
  std::string run_id;
  bool restored = false;
  std::unique_ptr<ReplayService> service;
};

// FAILED_PRECONDITION for a state of another run than asked for (both are named), of another
// environment or of other tables; DATA_LOSS for one that is damaged; INVALID_ARGUMENT for a
// configuration without what it names.
absl::StatusOr<ReplayProcess> MakeReplayProcess(const ReplayProcessOptions& options,
                                                const FileSystem& file_system);

// After draining. Does nothing without a directory.
absl::Status SaveReplayProcess(const ReplayProcess& process, const std::string& state_directory,
                               FileSystem& file_system);

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_REPLAY_PROCESS_H_
