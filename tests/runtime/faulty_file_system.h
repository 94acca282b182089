// A file system for tests: it fails when told to, and after a power cut forgets what was not
// synced.
#ifndef ANABRANCH_TESTS_RUNTIME_FAULTY_FILE_SYSTEM_H_
#define ANABRANCH_TESTS_RUNTIME_FAULTY_FILE_SYSTEM_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "runtime/file_system.h"

namespace anabranch {

enum class FileFault {
  kDiskFull,    // The change doesn't happen: RESOURCE_EXHAUSTED.
  kShortWrite,  // A Write leaves the first half of its content, then RESOURCE_EXHAUSTED. Any other
                // change: as kDiskFull.
  kPowerCut,    // As kShortWrite, and from then on all calls fail with UNAVAILABLE until PowerOn().
};

// Passes everything on to `base`, which it doesn't own and which nobody else may change meanwhile.
// Changes (Write, SyncFile, SyncDirectory, Rename, Remove*, MakeDirectories) are counted, so that a
// test can run once to learn how many there are, and then again with a fault at each. Thread-safe.
class FaultyFileSystem final : public FileSystem {
 public:
  explicit FaultyFileSystem(FileSystem* base) : base_(base) {}

  // The change with this number, counted from 0 since construction, fails. Replaces an earlier
  // plan.
  void FailAt(int64_t change, FileFault fault);
  int64_t changes() const;

  // Undoes every creation, rename and removal whose directory was not synced since, newest first,
  // and gives files whose content was not synced what they had at their last sync (nothing, if
  // never synced): the harshest outcome that POSIX allows. Then calls work again. An error of
  // `base` is returned.
  absl::Status PowerOn();

  absl::StatusOr<std::string> Read(const std::string& path) const override;
  absl::Status Write(const std::string& path, absl::string_view content) override;
  absl::Status SyncFile(const std::string& path) override;
  absl::Status SyncDirectory(const std::string& path) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status RemoveFile(const std::string& path) override;
  absl::Status RemoveDirectory(const std::string& path) override;
  absl::Status MakeDirectories(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& path) const override;
  absl::StatusOr<bool> Exists(const std::string& path) const override;
  absl::StatusOr<bool> IsDirectory(const std::string& path) const override;

 private:
  enum class Undo { kRemoveFile, kRemoveDirectory, kMoveBack, kRestoreFile, kRestoreDirectory };
  // How to take back a change of a directory's entries.
  struct EntryChange {
    Undo undo;
    std::string path;     // What was created, removed, or is the new name of what was moved.
    std::string from;     // kMoveBack: the old name.
    std::string content;  // kRestoreFile
  };

  // Counts a change and lets it fail if it is due.
  absl::Status Begin(bool* half) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckPower() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status UndoChange(const EntryChange& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A directory that a power cut takes goes with all that is in it.
  absl::Status RemoveTree(const std::string& path) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  FileSystem* const base_;
  mutable absl::Mutex mutex_;
  int64_t changes_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t fail_at_ ABSL_GUARDED_BY(mutex_) = -1;
  FileFault fault_ ABSL_GUARDED_BY(mutex_) = FileFault::kDiskFull;
  bool power_ ABSL_GUARDED_BY(mutex_) = true;
  std::vector<EntryChange> entries_ ABSL_GUARDED_BY(mutex_);
  // Files with unsynced content, and what they had at their last sync.
  std::map<std::string, std::string> synced_content_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_RUNTIME_FAULTY_FILE_SYSTEM_H_
