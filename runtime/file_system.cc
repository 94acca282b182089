#include "runtime/file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace anabranch {
namespace {

struct ErrnoMeaning {
  absl::StatusCode code;
  absl::string_view remedy;
};

ErrnoMeaning MeaningOf(int error_number) {
  switch (error_number) {
    case ENOENT:
      return {absl::StatusCode::kNotFound, "check that the path exists"};
    case EEXIST:
      return {absl::StatusCode::kAlreadyExists, "choose another name or remove it first"};
    case EACCES:
    case EPERM:
      return {absl::StatusCode::kPermissionDenied, "check its owner and permissions"};
    case ENOSPC:
      return {absl::StatusCode::kResourceExhausted, "the disk is full: free space on it"};
    case EDQUOT:
      return {absl::StatusCode::kResourceExhausted,
              "the disk quota is used up: free space or raise it"};
    case EMFILE:
    case ENFILE:
      return {absl::StatusCode::kResourceExhausted, "too many open files: raise `ulimit -n`"};
    case ENOTDIR:
      return {absl::StatusCode::kFailedPrecondition,
              "a part of the path is a file, not a directory"};
    case EISDIR:
      return {absl::StatusCode::kFailedPrecondition, "it is a directory, not a file"};
    case ENOTEMPTY:
      return {absl::StatusCode::kFailedPrecondition, "the directory is not empty"};
    case EROFS:
      return {absl::StatusCode::kFailedPrecondition,
              "the file system is read-only: choose another place"};
    case EXDEV:
      return {absl::StatusCode::kFailedPrecondition, "both names must be on one file system"};
    case ENAMETOOLONG:
      return {absl::StatusCode::kInvalidArgument, "shorten the name"};
    case EIO:
      return {absl::StatusCode::kDataLoss, "the device reports a fault: check it"};
    default:
      return {absl::StatusCode::kUnknown, ""};
  }
}

// Closes on every way out. Close() tells whether the system call succeeded.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { Close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }
  bool Close() {
    const int fd = fd_;
    fd_ = -1;
    return fd < 0 || ::close(fd) == 0 || errno == EINTR;
  }

 private:
  int fd_;
};

int OpenRetrying(const std::string& path, int flags) {
  int fd;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

absl::Status Sync(const std::string& path, int flags) {
  Descriptor file(OpenRetrying(path, flags));
  if (!file.ok()) return ErrnoToStatus(errno, "open", path);
  int result;
  do {
    result = ::fsync(file.get());
  } while (result != 0 && errno == EINTR);
  if (result != 0) return ErrnoToStatus(errno, "sync", path);
  return absl::OkStatus();
}

class Posix final : public FileSystem {
 public:
  absl::StatusOr<std::string> Read(const std::string& path) const override {
    Descriptor file(OpenRetrying(path, O_RDONLY));
    if (!file.ok()) return ErrnoToStatus(errno, "open", path);
    struct stat info;
    if (::fstat(file.get(), &info) != 0) return ErrnoToStatus(errno, "stat", path);
    // The size is a hint only: it is 0 for pipes and may change while we read. One byte more sees
    // the end without another allocation.
    std::string content(static_cast<size_t>(std::max<off_t>(info.st_size, 0)) + 1, '\0');
    size_t used = 0;
    for (;;) {
      if (used == content.size()) content.resize(content.size() * 2);
      const ssize_t got = ::read(file.get(), content.data() + used, content.size() - used);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return ErrnoToStatus(errno, "read", path);
      if (got == 0) break;
      used += static_cast<size_t>(got);
    }
    content.resize(used);
    return content;
  }

  absl::Status Write(const std::string& path, absl::string_view content) override {
    Descriptor file(OpenRetrying(path, O_WRONLY | O_CREAT | O_TRUNC));
    if (!file.ok()) return ErrnoToStatus(errno, "create", path);
    while (!content.empty()) {
      const ssize_t put = ::write(file.get(), content.data(), content.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return ErrnoToStatus(errno, "write", path);
      content.remove_prefix(static_cast<size_t>(put));
    }
    if (!file.Close()) return ErrnoToStatus(errno, "close", path);
    return absl::OkStatus();
  }

  absl::Status SyncFile(const std::string& path) override { return Sync(path, O_RDONLY); }

  absl::Status SyncDirectory(const std::string& path) override {
    return Sync(path, O_RDONLY | O_DIRECTORY);
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
    return ErrnoToStatus(errno, "rename", absl::StrCat(from, "\" to \"", to));
  }

  absl::Status RemoveFile(const std::string& path) override {
    if (::unlink(path.c_str()) == 0) return absl::OkStatus();
    return ErrnoToStatus(errno, "remove", path);
  }

  absl::Status RemoveDirectory(const std::string& path) override {
    if (::rmdir(path.c_str()) == 0) return absl::OkStatus();
    return ErrnoToStatus(errno, "remove directory", path);
  }

  absl::Status MakeDirectories(const std::string& path) override {
    for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
      const std::string prefix = path.substr(0, end);
      if (::mkdir(prefix.c_str(), 0777) != 0) {
        const int error_number = errno;
        struct stat info;
        // Whatever mkdir says (EEXIST, or EACCES in a parent that is not ours): it is there.
        const bool there = ::stat(prefix.c_str(), &info) == 0;
        if (!there) return ErrnoToStatus(error_number, "make directory", prefix);
        if (!S_ISDIR(info.st_mode)) return ErrnoToStatus(ENOTDIR, "make directory", prefix);
      }
      if (end == std::string::npos) return absl::OkStatus();
    }
  }

  absl::StatusOr<std::vector<std::string>> List(const std::string& path) const override {
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) return ErrnoToStatus(errno, "list", path);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(directory)) {
      const absl::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    const int error_number = errno;
    ::closedir(directory);
    if (error_number != 0) return ErrnoToStatus(error_number, "list", path);
    std::sort(names.begin(), names.end());
    return names;
  }

  absl::StatusOr<bool> Exists(const std::string& path) const override {
    struct stat info;
    if (::stat(path.c_str(), &info) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return ErrnoToStatus(errno, "stat", path);
  }

  absl::StatusOr<bool> IsDirectory(const std::string& path) const override {
    struct stat info;
    if (::stat(path.c_str(), &info) == 0) return S_ISDIR(info.st_mode) != 0;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return ErrnoToStatus(errno, "stat", path);
  }
};

}  // namespace

absl::Status FileSystem::WriteAndSync(const std::string& path, absl::string_view content) {
  absl::Status status = Write(path, content);
  if (!status.ok()) return status;
  return SyncFile(path);
}

FileSystem* PosixFileSystem() {
  static Posix* const posix = new Posix;
  return posix;
}

absl::Status ErrnoToStatus(int error_number, absl::string_view operation, absl::string_view path) {
  const ErrnoMeaning meaning = MeaningOf(error_number);
  std::string message =
      absl::StrCat("can't ", operation, " \"", path, "\": ", strerrordesc_np(error_number));
  if (!meaning.remedy.empty()) absl::StrAppend(&message, "; ", meaning.remedy);
  return absl::Status(meaning.code, message);
}

std::string JoinPath(absl::string_view directory, absl::string_view name) {
  if (directory.empty()) return std::string(name);
  return absl::StrCat(directory, directory.back() == '/' ? "" : "/", name);
}

std::string ParentPath(absl::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const size_t separator = path.rfind('/');
  if (separator == absl::string_view::npos) return ".";
  return separator == 0 ? "/" : std::string(path.substr(0, separator));
}

}  // namespace anabranch
