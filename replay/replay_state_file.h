// A replay server's state on disk, between two lives of the process.
#ifndef ANABRANCH_REPLAY_REPLAY_STATE_FILE_H_
#define ANABRANCH_REPLAY_REPLAY_STATE_FILE_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/file_system.h"

namespace anabranch {

inline constexpr char kReplayStateFile[] = "state.bin";

struct SavedReplay {
  std::string run_id;  // Never empty; one line.
  std::string state;   // What ReplayService::Save gave.
};

// Replaces directory/state.bin, atomically: after an error or a power cut the file that was there
// is still there and whole. Makes the directory. Blocks until the bytes are on the disk. Errors are
// the file system's, which name path and remedy; a disk that is full has reason DISK_FULL.
absl::Status SaveReplayState(FileSystem& file_system, const std::string& directory,
                             const SavedReplay& saved);

// What the last save left; nothing where there is no such file. DATA_LOSS names the file and what
// is wrong with it (cut short, changed since, not ours): it is whole or it is refused.
absl::StatusOr<std::optional<SavedReplay>> LoadReplayState(const FileSystem& file_system,
                                                           const std::string& directory);

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_REPLAY_STATE_FILE_H_
