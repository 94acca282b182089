// The file system, passed in: tests replace it by one that fails, or that forgets what was not
// synced.
#ifndef ANABRANCH_RUNTIME_FILE_SYSTEM_H_
#define ANABRANCH_RUNTIME_FILE_SYSTEM_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace anabranch {

// Thread-safe. All calls block. Every error names the path: NOT_FOUND, ALREADY_EXISTS,
// PERMISSION_DENIED, RESOURCE_EXHAUSTED (disk full, quota, too many open files),
// FAILED_PRECONDITION (not a directory, not empty, read-only), DATA_LOSS (the device failed) or
// UNKNOWN.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // The whole content of a file.
  virtual absl::StatusOr<std::string> Read(const std::string& path) const = 0;
  // Creates or replaces a file. What is written survives the process, but the machine only after
  // SyncFile of the file and SyncDirectory of its parent. After an error the content is undefined.
  virtual absl::Status Write(const std::string& path, absl::string_view content) = 0;
  virtual absl::Status SyncFile(const std::string& path) = 0;
  // Makes creations, renames and removals in a directory survive the machine.
  virtual absl::Status SyncDirectory(const std::string& path) = 0;

  // Atomic: after a crash either name has the content, never neither. A file may replace a file, a
  // directory an empty directory.
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  // NOT_FOUND if there is none.
  virtual absl::Status RemoveFile(const std::string& path) = 0;
  // Only an empty directory: nothing here deletes what its caller has not named.
  virtual absl::Status RemoveDirectory(const std::string& path) = 0;
  // With all missing parents; OK if it exists already.
  virtual absl::Status MakeDirectories(const std::string& path) = 0;

  // Names (not paths) in a directory, sorted, without "." and "..".
  virtual absl::StatusOr<std::vector<std::string>> List(const std::string& path) const = 0;
  // False also where a parent is missing; an error where it can't be known.
  virtual absl::StatusOr<bool> Exists(const std::string& path) const = 0;
  virtual absl::StatusOr<bool> IsDirectory(const std::string& path) const = 0;

  // Write, then SyncFile. The directory entry is the caller's to sync, once for all files.
  absl::Status WriteAndSync(const std::string& path, absl::string_view content);
};

// The machine's own. Never null, never destroyed.
FileSystem* PosixFileSystem();

// The status of a failed system call: `operation` as a verb, such as "write".
absl::Status ErrnoToStatus(int error_number, absl::string_view operation, absl::string_view path);

// `directory`/`name`, with one separator between them.
std::string JoinPath(absl::string_view directory, absl::string_view name);
// Everything before the last separator; "." if there is none, "/" for the root's children.
std::string ParentPath(absl::string_view path);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_FILE_SYSTEM_H_
