// Checkpoints on disk: written whole or not at all, verified before use.
//
// A checkpoint is a directory `step-000000001000` with any files, a manifest (`manifest.json`, the
// CheckpointManifest) and `SHA256SUMS` over all of them, so that `sha256sum -c SHA256SUMS` checks
// it without us.
#ifndef ANABRANCH_LEARNER_CHECKPOINT_H_
#define ANABRANCH_LEARNER_CHECKPOINT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "anabranch/v1/checkpoint.pb.h"
#include "runtime/file_system.h"

namespace anabranch {

inline constexpr uint32_t kCheckpointFormatVersion = 1;

// One that was read and whose every byte was verified.
struct Checkpoint {
  std::string path;  // Of its directory.
  v1::CheckpointManifest manifest;
  std::map<std::string, std::string> files;  // Content by name, without manifest and sums.
};

// Counts of a manifest, by name; one that isn't there is 0.
void AddCounter(v1::CheckpointManifest& manifest, const std::string& name, int64_t value);
int64_t FindCounter(const v1::CheckpointManifest& manifest, const std::string& name);

// Whom a checkpoint must belong to. An empty string asks for nothing.
struct CheckpointOwner {
  std::string run_id = {};
  std::string environment_fingerprint = {};
  std::string reward_fingerprint = {};
  std::string reward_shaping_hash = {};
};

// FAILED_PRECONDITION names what the checkpoint belongs to and what was expected.
absl::Status CheckOwner(const v1::CheckpointManifest& manifest, const std::string& path,
                        const CheckpointOwner& owner);

// NOT_FOUND where there is no such directory. DATA_LOSS names the file that is missing, cut short
// or changed. FAILED_PRECONDITION for a format newer than this build knows.
absl::StatusOr<Checkpoint> ReadCheckpoint(const FileSystem& file_system, const std::string& path);

struct FoundCheckpoint {
  std::optional<Checkpoint> checkpoint;  // The newest that is whole; absent where there is none.
  std::vector<std::string> warnings;     // One line for each that was passed over, and why.
};

// The newest whole checkpoint below `directory`. Those that are corrupt or half-written are passed
// over with a warning; one that belongs to somebody else ends the search with FAILED_PRECONDITION,
// because going on with an older one would hide the mistake. A missing directory holds none.
absl::StatusOr<FoundCheckpoint> FindLatestCheckpoint(const FileSystem& file_system,
                                                     const std::string& directory,
                                                     const CheckpointOwner& owner);

// Writes checkpoints below one directory, which nobody else writes to, and removes its own old
// ones. Not thread-safe. All calls block for the disk.
class CheckpointStore {
 public:
  struct Saved {
    std::string path;
    std::vector<std::string> warnings;  // Old checkpoints that could not be removed, for people.
  };

  // `keep` ≥ 1 newest checkpoints stay. The file system outlives the store.
  CheckpointStore(FileSystem* file_system, std::string directory, int64_t keep);

  // Temporary directory → files, synced → manifest → sums → sync → rename → sync parent. `manifest`
  // needs no files, format version or order: files are filled in, all lists are sorted by name.
  // When it fails (RESOURCE_EXHAUSTED for a full disk) the older checkpoints are as they were. A
  // checkpoint of the same step is replaced if it is whole; a damaged one is moved aside as
  // `damaged-step-…`.
  absl::StatusOr<Saved> Save(v1::CheckpointManifest manifest,
                             const std::map<std::string, std::string>& files);

 private:
  absl::Status WriteAll(const std::string& temporary,
                        const std::map<std::string, std::string>& files);
  // Makes `path` free for a new checkpoint.
  absl::Status MakeWay(const std::string& path);
  // FAILED_PRECONDITION names a file that is not the checkpoint's own.
  absl::Status CheckNothingForeign(const std::string& path,
                                   const v1::CheckpointManifest& manifest) const;
  // Takes a whole checkpoint out of sight in one step and then deletes what its manifest names.
  absl::Status Remove(const std::string& path);
  // What crashes have left.
  absl::Status RemoveUnfinished();
  // Deletes a directory of ours that never was, or no longer is, a checkpoint.
  absl::Status RemoveTemporary(const std::string& path);
  void RemoveOld(std::vector<std::string>& warnings);

  FileSystem* const file_system_;
  const std::string directory_;
  const int64_t keep_;
};

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_CHECKPOINT_H_
