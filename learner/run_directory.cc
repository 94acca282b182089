#include "learner/run_directory.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace anabranch {

absl::StatusOr<OpenedRun> OpenRun(const FileSystem& file_system, const std::string& path) {
  for (const char* own : {"manifest.json", "SHA256SUMS"}) {
    auto is_checkpoint = file_system.Exists(JoinPath(path, own));
    if (!is_checkpoint.ok()) return is_checkpoint.status();
    if (!*is_checkpoint) continue;
    auto checkpoint = ReadCheckpoint(file_system, path);
    if (!checkpoint.ok()) return checkpoint.status();
    return OpenedRun{*std::move(checkpoint), {}};
  }
  const std::string below = JoinPath(path, kCheckpointsDirectory);
  auto is_run = file_system.IsDirectory(below);
  if (!is_run.ok()) return is_run.status();
  auto found = FindLatestCheckpoint(file_system, *is_run ? below : path, {});
  if (!found.ok()) return found.status();
  if (!found->checkpoint.has_value()) {
    return absl::NotFoundError(absl::StrCat(
        "there is no whole checkpoint in ", path,
        "; give the directory that `anabranch train --out` wrote, or one of its checkpoints",
        found->warnings.empty() ? "" : "\n", absl::StrJoin(found->warnings, "\n")));
  }
  return OpenedRun{*std::move(found->checkpoint), std::move(found->warnings)};
}

}  // namespace anabranch
