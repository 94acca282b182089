#include "cli/cluster/cluster_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cli/cluster/cluster_file.h"
#include "cli/cluster/role_command.h"
#include "learner/run_directory.h"
#include "runtime/components/run_identity.h"
#include "runtime/file_system.h"

namespace anabranch {
namespace {

// Of the launcher, who holds a lock on it.
constexpr char kLockFile[] = "launcher.lock";

absl::Status CheckNoOtherRun(const std::string& path) {
  for (const char* name : {kConfigFile, kMetricsFile, kCheckpointsDirectory}) {
    auto exists = PosixFileSystem()->Exists(JoinPath(path, name));
    if (!exists.ok()) return exists.status();
    if (*exists) {
      return absl::AlreadyExistsError(
          absl::StrCat(path, " holds a run that no cluster made (", name,
                       "): its replay is not kept apart; give another --out"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ClusterDirectory>> ClusterDirectory::Open(
    const std::string& path, const std::string& run_name, bool must_exist) {
  if (must_exist) {
    auto exists = PosixFileSystem()->Exists(JoinPath(path, kClusterFile));
    if (!exists.ok()) return exists.status();
    if (!*exists) {
      return absl::NotFoundError(absl::StrCat(path, " holds no ", kClusterFile,
                                              ": no cluster was started there; begin one by "
                                              "'anabranch cluster CONFIG --out ",
                                              path, "'"));
    }
  }
  for (const char* name : {kProcessesDirectory, kLogsDirectory, kReplayDirectory, kLedgersDirectory,
                           kActorsDirectory}) {
    absl::Status made = PosixFileSystem()->MakeDirectories(JoinPath(path, name));
    if (!made.ok()) return made;
  }
  const std::string lock_path = JoinPath(JoinPath(path, kProcessesDirectory), kLockFile);
  const int lock = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock < 0) return ErrnoToStatus(errno, "open", lock_path);
  auto directory = absl::WrapUnique(new ClusterDirectory(path, lock));
  if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return ErrnoToStatus(errno, "lock", lock_path);
    return absl::FailedPreconditionError(absl::StrCat("a cluster is running in ", path,
                                                      " already; look at it by 'anabranch status ",
                                                      path, "', or give another --out"));
  }
  absl::Status status = directory->TakeRun(run_name, must_exist);
  if (!status.ok()) return status;
  return directory;
}

ClusterDirectory::~ClusterDirectory() { close(lock_); }

absl::Status ClusterDirectory::TakeRun(const std::string& run_name, bool must_exist) {
  const std::string file = JoinPath(path_, kClusterFile);
  auto cluster = ReadClusterFile(*PosixFileSystem(), file);
  if (cluster.ok()) {
    run_id_ = cluster->run_id;
    resumed_ = true;
    return absl::OkStatus();
  }
  if (!absl::IsNotFound(cluster.status()) || must_exist) return cluster.status();
  absl::Status status = CheckNoOtherRun(path_);
  if (!status.ok()) return status;
  run_id_ = FreshRunId(run_name);
  return WriteClusterFile(*PosixFileSystem(), file, {run_id_, getpid(), {}});
}

}  // namespace anabranch
