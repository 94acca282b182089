#include "runtime/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "runtime/file_system.h"

namespace anabranch {
namespace {

// What the child does between fork and exec: only what is safe where other threads held locks when
// the process was copied. Everything that allocates was done before.
struct ChildPlan {
  std::vector<char*> argv;
  int streams[3];
  int error_fd;  // Takes errno where the program can't be executed; closed by a successful exec.
  int death_signal;
  pid_t parent;
};

void ResetSignals() {
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) sigaction(number, &standard, nullptr);
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void BecomeProgram(const ChildPlan& plan) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, plan.death_signal);
  if (getppid() != plan.parent) _exit(127);  // It ended before it could be heard of.
  ResetSignals();
  for (int stream = 0; stream < 3; ++stream) dup2(plan.streams[stream], stream);
  const auto error_fd = static_cast<unsigned>(plan.error_fd);
  if (error_fd > 3) close_range(3, error_fd - 1, 0);
  close_range(error_fd + 1, UINT_MAX, 0);
  execv(plan.argv[0], plan.argv.data());
  const int error = errno;
  [[maybe_unused]] const ssize_t written = write(plan.error_fd, &error, sizeof(error));
  _exit(127);
}

// What the child's three streams become.
struct Streams {
  int fds[3] = {-1, -1, -1};
  int null_fd = -1;  // These two are closed at the end.
  int log_fd = -1;

  ~Streams() {
    if (null_fd >= 0) close(null_fd);
    if (log_fd >= 0) close(log_fd);
  }

  absl::Status Open(const ProcessOptions& options) {
    fds[0] = options.input_fd;
    fds[1] = options.output_fd;
    fds[2] = options.error_fd;
    if (fds[1] < 0 || fds[2] < 0) {
      log_fd = open(options.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
      if (log_fd < 0) return ErrnoToStatus(errno, "open", options.log_file);
    }
    if (fds[0] < 0) {
      null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
      if (null_fd < 0) return ErrnoToStatus(errno, "open", "/dev/null");
      fds[0] = null_fd;
    }
    for (int stream = 1; stream < 3; ++stream) {
      if (fds[stream] < 0) fds[stream] = log_fd;
    }
    return absl::OkStatus();
  }
};

// The errno that the child reports; 0 once it runs its program.
int ReadError(int fd) {
  int error = 0;
  ssize_t count;
  do {
    count = read(fd, &error, sizeof(error));
  } while (count < 0 && errno == EINTR);
  return count == sizeof(error) ? error : 0;
}

std::optional<ExitStatus> Reap(pid_t pid, int flags) {
  int status = 0;
  pid_t reaped;
  do {
    reaped = waitpid(pid, &status, flags);
  } while (reaped < 0 && errno == EINTR);
  if (reaped != pid) return std::nullopt;
  ExitStatus result;
  if (WIFSIGNALED(status)) {
    result.signal = WTERMSIG(status);
  } else {
    result.code = WEXITSTATUS(status);
  }
  return result;
}

}  // namespace

std::string ToString(const ExitStatus& status) {
  if (status.signal == 0) return absl::StrCat("exit status ", status.code);
  const char* name = sigabbrev_np(status.signal);
  return name != nullptr ? absl::StrCat("killed by SIG", name)
                         : absl::StrCat("killed by signal ", status.signal);
}

absl::StatusOr<std::string> FindProgram(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    if (access(name.c_str(), X_OK) != 0) return ErrnoToStatus(errno, "execute", name);
    return name;
  }
  const char* path = getenv("PATH");
  for (const absl::string_view directory : absl::StrSplit(path != nullptr ? path : "", ':')) {
    const std::string candidate = JoinPath(directory.empty() ? "." : directory, name);
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return absl::NotFoundError(absl::StrCat("there is no program \"", name, "\" in PATH"));
}

absl::StatusOr<std::unique_ptr<Process>> Process::Start(const ProcessOptions& options) {
  std::vector<std::string> command = options.command;
  if (command.empty()) return absl::InvalidArgumentError("command: is empty");
  Streams streams;
  if (absl::Status status = streams.Open(options); !status.ok()) return status;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoToStatus(errno, "start", command[0]);

  ChildPlan plan{{},
                 {streams.fds[0], streams.fds[1], streams.fds[2]},
                 ends[1],
                 options.death_signal,
                 getpid()};
  for (std::string& argument : command) plan.argv.push_back(argument.data());
  plan.argv.push_back(nullptr);
  const pid_t pid = fork();
  if (pid == 0) BecomeProgram(plan);
  const int fork_error = errno;
  close(ends[1]);
  const int exec_error = pid > 0 ? ReadError(ends[0]) : fork_error;
  close(ends[0]);
  if (pid < 0) return ErrnoToStatus(fork_error, "start", command[0]);
  if (exec_error != 0) {
    Reap(pid, 0);
    return ErrnoToStatus(exec_error, "start", command[0]);
  }
  return absl::WrapUnique(new Process(pid));
}

Process::~Process() {
  Signal(SIGKILL);
  if (!ended_.has_value()) Reap(pid_, 0);
}

void Process::Signal(int number) {
  if (!Poll().has_value()) kill(pid_, number);
}

void Process::SignalGroup(int number) {
  // Not polled first: an end that hasn't been noticed keeps the number from being anybody else's.
  if (!ended_.has_value()) kill(-pid_, number);
}

std::optional<ExitStatus> Process::Poll() {
  if (!ended_.has_value()) ended_ = Reap(pid_, WNOHANG);
  return ended_;
}

std::optional<ExitStatus> Process::Await(absl::Time deadline) {
  constexpr absl::Duration kLookInterval = absl::Milliseconds(10);  // Where there are no pidfds.
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  const absl::Cleanup close_fd = [fd] {
    if (fd >= 0) close(fd);
  };
  while (!Poll().has_value()) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) break;
    const absl::Duration step = std::min(left, fd >= 0 ? absl::Seconds(60) : kLookInterval);
    pollfd wait = {fd, POLLIN, 0};
    // At least a millisecond: no busy loop in the last one.
    poll(&wait, fd >= 0 ? 1 : 0, static_cast<int>(absl::ToInt64Milliseconds(step) + 1));
  }
  return ended_;
}

}  // namespace anabranch
