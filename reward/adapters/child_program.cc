#include "reward/adapters/child_program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "reward/adapters/ignore_sigpipe.h"
#include "reward/adapters/value_source.h"

namespace anabranch {
namespace {

constexpr size_t kPiece = 64 << 10;
constexpr int kLookMilliseconds = 10;  // How often to look for its end where there are no pidfds.

void Close(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

// Whether it has ended; it is not reaped.
bool HasEnded(pid_t pid) {
  siginfo_t info = {};
  return waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == pid;
}

// For poll(): at least a millisecond, so that the last one is no busy loop.
int Milliseconds(absl::Duration left) {
  const int64_t longest = std::numeric_limits<int>::max() - 1;
  return static_cast<int>(std::min(absl::ToInt64Milliseconds(left), longest)) + 1;
}

// Looks for the program where its name is no path.
absl::StatusOr<std::unique_ptr<Process>> StartFound(ProcessOptions options) {
  auto path = FindProgram(options.command[0]);
  if (!path.ok()) return path.status();
  options.command[0] = *std::move(path);
  return Process::Start(options);
}

}  // namespace

struct ChildProgram::Pipes {
  int input[2] = {-1, -1};
  int output[2] = {-1, -1};
  int error[2] = {-1, -1};

  ~Pipes() {
    for (int* pipe : {input, output, error}) {
      Close(pipe[0]);
      Close(pipe[1]);
    }
  }
  // Our ends don't block.
  bool Open() {
    for (int* pipe : {input, output, error}) {
      if (pipe2(pipe, O_CLOEXEC) != 0) return false;
    }
    return fcntl(input[1], F_SETFL, O_NONBLOCK) == 0 &&
           fcntl(output[0], F_SETFL, O_NONBLOCK) == 0 && fcntl(error[0], F_SETFL, O_NONBLOCK) == 0;
  }
};

absl::StatusOr<std::unique_ptr<ChildProgram>> ChildProgram::Start(
    const std::vector<std::string>& command, ProgramLog& log, const CancelEvent& cancel) {
  auto program = absl::WrapUnique(new ChildProgram(cancel));
  auto pipes = std::make_unique<Pipes>();
  program->wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (program->wake_fd_ < 0 || !pipes->Open()) {
    return absl::UnavailableError(absl::StrCat("can't start \"", absl::StrJoin(command, " "),
                                               "\": too few file descriptors"));
  }
  program->input_fd_ = std::exchange(pipes->input[1], -1);
  program->output_fd_ = std::exchange(pipes->output[0], -1);
  program->thread_ =
      std::thread([&log, child = program.get(), pipes = std::move(pipes), command]() mutable {
        child->Run(std::move(pipes), std::move(command), log);
      });
  absl::MutexLock lock(&program->mu_);
  program->mu_.Await(absl::Condition(
      +[](std::optional<absl::Status>* started) { return started->has_value(); },
      &program->started_));
  if (program->started_->ok()) return program;
  return absl::UnavailableError(absl::StrCat("can't start \"", absl::StrJoin(command, " "),
                                             "\": ", program->started_->message()));
}

ChildProgram::~ChildProgram() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof(one));
    thread_.join();
  }
  Close(input_fd_);
  Close(output_fd_);
  Close(wake_fd_);
}

void ChildProgram::Run(std::unique_ptr<Pipes> pipes, std::vector<std::string> command,
                       ProgramLog& log) {
  ProcessOptions options;
  options.command = std::move(command);
  options.input_fd = pipes->input[0];
  options.output_fd = pipes->output[1];
  options.error_fd = pipes->error[1];
  const auto process = StartFound(std::move(options));
  int error_fd = std::exchange(pipes->error[0], -1);
  pipes.reset();  // Only the child holds its ends now, so that its end is the end of what we read.
  {
    absl::MutexLock lock(&mu_);
    if (process.ok()) pid_ = (*process)->pid();
    started_ = process.status();
  }
  if (process.ok()) Watch(**process, error_fd, log);
  Close(error_fd);
}

void ChildProgram::Watch(Process& process, int error_fd, ProgramLog& log) {
  const pid_t pid = process.pid();
  int process_fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  const absl::Cleanup close_process_fd = [&process_fd] { Close(process_fd); };
  LineCutter cutter;
  const auto take = [&](absl::string_view line) { log.Line(pid, line, absl::Now()); };
  // False where there is nothing more to come.
  const auto read_errors = [&] {
    char piece[4096];
    const ssize_t count = read(error_fd, piece, sizeof(piece));
    if (count > 0) cutter.Add({piece, static_cast<size_t>(count)}, take);
    return count > 0;
  };
  bool errors_open = true;
  for (bool go_on = true; go_on;) {
    pollfd fds[3] = {
        {process_fd, POLLIN, 0}, {errors_open ? error_fd : -1, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
    if (poll(fds, 3, process_fd >= 0 ? -1 : kLookMilliseconds) < 0 && errno != EINTR) break;
    if (fds[1].revents != 0) errors_open = read_errors();
    go_on = fds[2].revents == 0 && (process_fd >= 0 ? fds[0].revents == 0 : !HasEnded(pid));
  }
  process.SignalGroup(SIGKILL);
  const std::optional<ExitStatus> ended = process.Await(absl::InfiniteFuture());
  while (errors_open && read_errors()) {
  }
  cutter.Finish(take);
  absl::MutexLock lock(&mu_);
  ended_ = ended;
}

bool ChildProgram::Ended() const {
  absl::MutexLock lock(&mu_);
  return ended_.has_value();
}

std::optional<ExitStatus> ChildProgram::AwaitExit(absl::Time deadline) {
  absl::MutexLock lock(&mu_);
  mu_.AwaitWithDeadline(
      absl::Condition(
          +[](std::optional<ExitStatus>* ended) { return ended->has_value(); }, &ended_),
      deadline);
  return ended_;
}

absl::Status ChildProgram::EndedEarly(absl::Time deadline) {
  constexpr absl::Duration kPatience = absl::Seconds(2);
  const auto ended = AwaitExit(std::min(deadline, absl::Now() + kPatience));
  if (!ended.has_value()) return absl::UnavailableError("the program has closed its output");
  return absl::UnavailableError(
      absl::StrCat("the program has ended before it answered, with ", ToString(*ended),
                   "; what it wrote to its standard error is in the log"));
}

void ChildProgram::CloseInput() { Close(input_fd_); }

absl::StatusOr<bool> ChildProgram::Exchange(absl::string_view& input, absl::Time deadline) {
  const absl::Duration left = deadline - absl::Now();
  if (left <= absl::ZeroDuration()) {
    return absl::DeadlineExceededError("the program has not answered in time");
  }
  pollfd fds[3] = {{output_fd_, POLLIN, 0},
                   {input.empty() ? -1 : input_fd_, POLLOUT, 0},
                   {cancel_.fd(), POLLIN, 0}};
  if (poll(fds, 3, Milliseconds(left)) < 0 && errno != EINTR) {
    return absl::UnavailableError("the program can't be waited for");
  }
  if (cancel_.is_set()) return absl::CancelledError("the oracle has been cancelled");
  if (fds[1].revents != 0) {
    const IgnoreSigpipe ignore;
    const ssize_t count = write(input_fd_, input.data(), std::min(input.size(), kPiece));
    if (count > 0) input.remove_prefix(static_cast<size_t>(count));
    // It doesn't read any more; how it ends tells what that means.
    if (count < 0 && errno != EAGAIN && errno != EINTR) input = {};
  }
  if (fds[0].revents == 0) return true;
  const size_t before = output_.size();
  output_.resize(before + kPiece);
  const ssize_t count = read(output_fd_, output_.data() + before, kPiece);
  const bool again = count < 0 && (errno == EAGAIN || errno == EINTR);
  output_.resize(before + static_cast<size_t>(std::max<ssize_t>(count, 0)));
  return count > 0 || again;
}

absl::Status ChildProgram::CheckSize(size_t max_bytes) const {
  if (output_.size() <= max_bytes) return absl::OkStatus();
  return MalformedAnswer(absl::StrCat("the program's answer is longer than ", max_bytes, " bytes"));
}

absl::StatusOr<std::string> ChildProgram::AskLine(absl::string_view input, size_t max_bytes,
                                                  absl::Time deadline) {
  size_t searched = 0;
  while (true) {
    const size_t end = output_.find('\n', searched);
    searched = output_.size();
    if (end != std::string::npos && input.empty()) {
      if (end > max_bytes) return CheckSize(max_bytes);
      std::string line = output_.substr(0, end);
      output_.erase(0, end + 1);
      return line;
    }
    if (end != std::string::npos) searched = end;
    if (absl::Status status = CheckSize(max_bytes); !status.ok()) return status;
    const auto more = Exchange(input, deadline);
    if (!more.ok()) return more.status();
    if (!*more) return EndedEarly(deadline);
  }
}

absl::StatusOr<std::string> ChildProgram::AskOnce(absl::string_view input, size_t max_bytes,
                                                  absl::Time deadline) {
  while (true) {
    if (input.empty()) CloseInput();
    if (absl::Status status = CheckSize(max_bytes); !status.ok()) return status;
    const auto more = Exchange(input, deadline);
    if (!more.ok()) return more.status();
    if (!*more) break;
  }
  CloseInput();
  const std::optional<ExitStatus> ended = AwaitExit(deadline);
  if (!ended.has_value()) {
    return absl::DeadlineExceededError("the program has answered, but not ended in time");
  }
  if (ended->ok()) return std::move(output_);
  return absl::UnavailableError(
      absl::StrCat("the program has failed, with ", ToString(*ended),
                   "; what it wrote to its standard error is in the log"));
}

bool ChildProgram::Finish(absl::Time deadline) {
  CloseInput();
  return AwaitExit(deadline).has_value();
}

}  // namespace anabranch
