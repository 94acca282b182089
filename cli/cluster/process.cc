#include "cli/cluster/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
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
#include "absl/time/clock.h"
#include "runtime/file_system.h"

namespace anabranch {
namespace {

// What the child does between fork and exec: only what is safe where other threads held locks when
// the process was copied. Everything that allocates was done before.
struct ChildPlan {
  std::vector<char*> argv;
  int log_fd;
  int null_fd;
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
  dup2(plan.null_fd, STDIN_FILENO);
  dup2(plan.log_fd, STDOUT_FILENO);
  dup2(plan.log_fd, STDERR_FILENO);
  const auto error_fd = static_cast<unsigned>(plan.error_fd);
  if (error_fd > 3) close_range(3, error_fd - 1, 0);
  close_range(error_fd + 1, UINT_MAX, 0);
  execv(plan.argv[0], plan.argv.data());
  const int error = errno;
  [[maybe_unused]] const ssize_t written = write(plan.error_fd, &error, sizeof(error));
  _exit(127);
}

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

absl::StatusOr<std::unique_ptr<Process>> Process::Start(const ProcessOptions& options) {
  std::vector<std::string> command = options.command;
  if (command.empty()) return absl::InvalidArgumentError("command: is empty");
  const int log_fd =
      open(options.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log_fd < 0) return ErrnoToStatus(errno, "open", options.log_file);
  const absl::Cleanup close_log = [log_fd] { close(log_fd); };
  const int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null_fd < 0) return ErrnoToStatus(errno, "open", "/dev/null");
  const absl::Cleanup close_null = [null_fd] { close(null_fd); };
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoToStatus(errno, "start", command[0]);

  ChildPlan plan{{}, log_fd, null_fd, ends[1], options.death_signal, getpid()};
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
