#include "replay/replay_state_file.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "runtime/error_reason.h"
#include "runtime/sha256.h"

namespace anabranch {
namespace {

// Three lines, then the state:
//   anabranch replay state 1
//   sha256 <hexadecimal, of all that follows this line>
//   run_id <id>
constexpr absl::string_view kMagic = "anabranch replay state 1\n";
constexpr absl::string_view kSha256 = "sha256 ";
constexpr absl::string_view kRunId = "run_id ";
constexpr size_t kSha256Digits = 64;

absl::Status Damaged(const std::string& path, absl::string_view what) {
  return WithReason(
      absl::DataLossError(absl::StrCat("\"", path, "\" ", what,
                                       "; restore it from a copy, or move it away to begin with an "
                                       "empty server")),
      kReasonCorrupt);
}

absl::Status WriteThenRename(FileSystem& file_system, const std::string& directory,
                             absl::string_view content) {
  const std::string path = JoinPath(directory, kReplayStateFile);
  const std::string temporary = absl::StrCat(path, ".new");
  absl::Status status = file_system.WriteAndSync(temporary, content);
  if (status.ok()) status = file_system.Rename(temporary, path);
  if (!status.ok()) {
    file_system.RemoveFile(temporary).IgnoreError();
    return status;
  }
  return file_system.SyncDirectory(directory);
}

}  // namespace

absl::Status SaveReplayState(FileSystem& file_system, const std::string& directory,
                             const SavedReplay& saved) {
  if (saved.run_id.empty() || absl::StrContains(saved.run_id, '\n')) {
    return absl::InvalidArgumentError(
        absl::StrCat("run_id: is \"", saved.run_id, "\"; one line that isn't empty is needed"));
  }
  const std::string run_line = absl::StrCat(kRunId, saved.run_id, "\n");
  Sha256 digest;
  digest.Update(run_line);
  digest.Update(saved.state);
  const std::string content = absl::StrCat(kMagic, kSha256, absl::BytesToHexString(digest.Finish()),
                                           "\n", run_line, saved.state);
  absl::Status status = file_system.MakeDirectories(directory);
  if (status.ok()) status = WriteThenRename(file_system, directory, content);
  if (absl::IsResourceExhausted(status)) return WithReason(std::move(status), kReasonDiskFull);
  return status;
}

absl::StatusOr<std::optional<SavedReplay>> LoadReplayState(const FileSystem& file_system,
                                                           const std::string& directory) {
  const std::string path = JoinPath(directory, kReplayStateFile);
  const absl::StatusOr<bool> exists = file_system.Exists(path);
  if (!exists.ok()) return exists.status();
  if (!*exists) return std::nullopt;
  absl::StatusOr<std::string> content = file_system.Read(path);
  if (!content.ok()) return content.status();
  absl::string_view rest = *content;
  if (!absl::ConsumePrefix(&rest, kMagic)) {
    return Damaged(path, "is not a replay server's state of a format that this program reads");
  }
  if (!absl::ConsumePrefix(&rest, kSha256) || rest.size() <= kSha256Digits ||
      rest[kSha256Digits] != '\n') {
    return Damaged(path, "is cut short");
  }
  const absl::string_view expected = rest.substr(0, kSha256Digits);
  rest.remove_prefix(kSha256Digits + 1);
  const std::string found = Sha256Hex(rest);
  if (found != expected) {
    return Damaged(path, absl::StrCat("has sha256 ", found, ", but says ", expected,
                                      ": it is damaged or cut short"));
  }
  const size_t end = rest.find('\n');
  if (!absl::ConsumePrefix(&rest, kRunId) || end == absl::string_view::npos) {
    return Damaged(path, "doesn't say which run it is of");
  }
  SavedReplay saved;
  saved.run_id = std::string(rest.substr(0, end - kRunId.size()));
  content->erase(0, content->size() - (rest.size() - saved.run_id.size() - 1));
  saved.state = *std::move(content);
  return saved;
}

}  // namespace anabranch
