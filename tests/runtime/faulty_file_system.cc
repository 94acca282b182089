#include "tests/runtime/faulty_file_system.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace anabranch {
namespace {

// `path` with `from` at its head replaced by `to`; unchanged if it stands elsewhere.
std::string Moved(const std::string& path, const std::string& from, const std::string& to) {
  if (path == from) return to;
  if (!absl::StartsWith(path, from + "/")) return path;
  return to + path.substr(from.size());
}

}  // namespace

void FaultyFileSystem::FailAt(int64_t change, FileFault fault) {
  absl::MutexLock lock(&mutex_);
  fail_at_ = change;
  fault_ = fault;
}

int64_t FaultyFileSystem::changes() const {
  absl::MutexLock lock(&mutex_);
  return changes_;
}

absl::Status FaultyFileSystem::PowerOn() {
  absl::MutexLock lock(&mutex_);
  for (const auto& [path, content] : synced_content_) {
    if (absl::Status status = base_->Write(path, content); !status.ok()) return status;
  }
  while (!entries_.empty()) {
    if (absl::Status status = UndoChange(entries_.back()); !status.ok()) return status;
    entries_.pop_back();
  }
  synced_content_.clear();
  power_ = true;
  return absl::OkStatus();
}

absl::Status FaultyFileSystem::UndoChange(const EntryChange& change) {
  switch (change.undo) {
    case Undo::kRemoveFile:
      return base_->RemoveFile(change.path);
    case Undo::kRemoveDirectory:
      return RemoveTree(change.path);
    case Undo::kMoveBack:
      return base_->Rename(change.path, change.from);
    case Undo::kRestoreFile:
      return base_->Write(change.path, change.content);
    case Undo::kRestoreDirectory:
      return base_->MakeDirectories(change.path);
  }
  return absl::InternalError("unknown kind of change");
}

absl::Status FaultyFileSystem::RemoveTree(const std::string& path) {
  absl::StatusOr<bool> directory = base_->IsDirectory(path);
  if (!directory.ok()) return directory.status();
  if (!*directory) return base_->RemoveFile(path);
  absl::StatusOr<std::vector<std::string>> names = base_->List(path);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (absl::Status status = RemoveTree(JoinPath(path, name)); !status.ok()) return status;
  }
  return base_->RemoveDirectory(path);
}

absl::Status FaultyFileSystem::CheckPower() const {
  return power_ ? absl::OkStatus() : absl::UnavailableError("the power is cut");
}

absl::Status FaultyFileSystem::Begin(bool* half) {
  *half = false;
  if (absl::Status status = CheckPower(); !status.ok()) return status;
  if (changes_++ != fail_at_) return absl::OkStatus();
  *half = fault_ != FileFault::kDiskFull;
  if (fault_ == FileFault::kPowerCut) {
    power_ = false;
    return absl::UnavailableError("the power is cut");
  }
  return absl::ResourceExhaustedError(absl::StrCat("the disk is full at change ", fail_at_));
}

absl::StatusOr<std::string> FaultyFileSystem::Read(const std::string& path) const {
  absl::MutexLock lock(&mutex_);
  if (absl::Status status = CheckPower(); !status.ok()) return status;
  return base_->Read(path);
}

absl::Status FaultyFileSystem::Write(const std::string& path, absl::string_view content) {
  absl::MutexLock lock(&mutex_);
  bool half = false;
  const absl::Status fault = Begin(&half);
  if (!fault.ok() && !half) return fault;
  absl::StatusOr<bool> existed = base_->Exists(path);
  if (!existed.ok()) return existed.status();
  std::string before;
  if (*existed) {
    absl::StatusOr<std::string> old = base_->Read(path);
    if (!old.ok()) return old.status();
    before = *std::move(old);
  }
  absl::Status status = base_->Write(path, half ? content.substr(0, content.size() / 2) : content);
  if (!status.ok()) return status;
  if (!*existed) entries_.push_back({Undo::kRemoveFile, path, "", ""});
  synced_content_.emplace(path, before);  // Keeps what an earlier, also unsynced, write found.
  return fault;
}

absl::Status FaultyFileSystem::SyncFile(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  bool half = false;
  if (absl::Status fault = Begin(&half); !fault.ok()) return fault;
  absl::Status status = base_->SyncFile(path);
  if (status.ok()) synced_content_.erase(path);
  return status;
}

absl::Status FaultyFileSystem::SyncDirectory(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  bool half = false;
  if (absl::Status fault = Begin(&half); !fault.ok()) return fault;
  absl::Status status = base_->SyncDirectory(path);
  if (!status.ok()) return status;
  std::vector<EntryChange> kept;
  for (const EntryChange& change : entries_) {
    if (ParentPath(change.path) != path) {
      kept.push_back(change);
    } else if (change.undo == Undo::kMoveBack) {
      // The move stays, so what came before it is undone under the new name.
      for (EntryChange& earlier : kept) {
        earlier.path = Moved(earlier.path, change.from, change.path);
        earlier.from = Moved(earlier.from, change.from, change.path);
      }
    }
  }
  entries_ = std::move(kept);
  return absl::OkStatus();
}

absl::Status FaultyFileSystem::Rename(const std::string& from, const std::string& to) {
  absl::MutexLock lock(&mutex_);
  bool half = false;
  if (absl::Status fault = Begin(&half); !fault.ok()) return fault;
  absl::StatusOr<bool> replaced = base_->Exists(to);
  if (!replaced.ok()) return replaced.status();
  absl::StatusOr<bool> directory = base_->IsDirectory(to);
  if (!directory.ok()) return directory.status();
  std::string before;
  if (*replaced && !*directory) {
    absl::StatusOr<std::string> old = base_->Read(to);
    if (!old.ok()) return old.status();
    const auto synced = synced_content_.find(to);
    before = synced == synced_content_.end() ? *std::move(old) : synced->second;
  }
  if (absl::Status status = base_->Rename(from, to); !status.ok()) return status;
  synced_content_.erase(to);
  std::map<std::string, std::string> moved;
  for (auto& [path, content] : synced_content_) moved[Moved(path, from, to)] = std::move(content);
  synced_content_ = std::move(moved);
  if (*replaced) {
    // Undone after the move back, so it stands before it.
    entries_.push_back({*directory ? Undo::kRestoreDirectory : Undo::kRestoreFile, to, "", before});
  }
  entries_.push_back({Undo::kMoveBack, to, from, ""});
  return absl::OkStatus();
}

absl::Status FaultyFileSystem::RemoveFile(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  bool half = false;
  if (absl::Status fault = Begin(&half); !fault.ok()) return fault;
  absl::StatusOr<std::string> old = base_->Read(path);
  if (!old.ok()) return old.status();
  if (absl::Status status = base_->RemoveFile(path); !status.ok()) return status;
  const auto synced = synced_content_.find(path);
  std::string before = synced == synced_content_.end() ? *std::move(old) : synced->second;
  synced_content_.erase(path);
  entries_.push_back({Undo::kRestoreFile, path, "", std::move(before)});
  return absl::OkStatus();
}

absl::Status FaultyFileSystem::RemoveDirectory(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  bool half = false;
  if (absl::Status fault = Begin(&half); !fault.ok()) return fault;
  if (absl::Status status = base_->RemoveDirectory(path); !status.ok()) return status;
  entries_.push_back({Undo::kRestoreDirectory, path, "", ""});
  return absl::OkStatus();
}

absl::Status FaultyFileSystem::MakeDirectories(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  bool half = false;
  if (absl::Status fault = Begin(&half); !fault.ok()) return fault;
  std::vector<std::string> missing;
  for (std::string at = path;; at = ParentPath(at)) {
    absl::StatusOr<bool> exists = base_->Exists(at);
    if (!exists.ok()) return exists.status();
    if (*exists || at == ".") break;
    missing.push_back(at);
  }
  if (absl::Status status = base_->MakeDirectories(path); !status.ok()) return status;
  for (auto at = missing.rbegin(); at != missing.rend(); ++at) {
    entries_.push_back({Undo::kRemoveDirectory, *at, "", ""});
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> FaultyFileSystem::List(const std::string& path) const {
  absl::MutexLock lock(&mutex_);
  if (absl::Status status = CheckPower(); !status.ok()) return status;
  return base_->List(path);
}

absl::StatusOr<bool> FaultyFileSystem::Exists(const std::string& path) const {
  absl::MutexLock lock(&mutex_);
  if (absl::Status status = CheckPower(); !status.ok()) return status;
  return base_->Exists(path);
}

absl::StatusOr<bool> FaultyFileSystem::IsDirectory(const std::string& path) const {
  absl::MutexLock lock(&mutex_);
  if (absl::Status status = CheckPower(); !status.ok()) return status;
  return base_->IsDirectory(path);
}

}  // namespace anabranch
