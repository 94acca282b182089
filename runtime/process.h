// A child process: started, signalled, waited for.
#ifndef ANABRANCH_RUNTIME_PROCESS_H_
#define ANABRANCH_RUNTIME_PROCESS_H_

#include <signal.h>
#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace anabranch {

struct ProcessOptions {
  std::vector<std::string> command;  // The program's path first.
  // Both output streams are appended here, made if missing. Empty where they are given below.
  std::string log_file;
  // What the child gets when the thread that started it ends, however that happens.
  int death_signal = SIGKILL;
  // The child's streams, where not -1: descriptors that stay the caller's to close.
  int input_fd = -1;   // Otherwise it has no input.
  int output_fd = -1;  // Otherwise, and for the next, the log file.
  int error_fd = -1;
};

// The path of a program: as it is where it holds a slash, otherwise looked for in PATH.
// NOT_FOUND names it, PERMISSION_DENIED the file that may not be executed.
absl::StatusOr<std::string> FindProgram(const std::string& name);

// How a process ended.
struct ExitStatus {
  int code = 0;    // Exit status; without meaning where a signal ended it.
  int signal = 0;  // The signal that ended it; 0 where it left by itself.

  bool ok() const { return code == 0 && signal == 0; }
};

// "exit status 1", "killed by SIGKILL".
std::string ToString(const ExitStatus& status);

// The child has a process group of its own, so that a terminal's Ctrl-C reaches only its parent,
// default signal handlers, an empty signal mask, and none of our file descriptors but those that it
// was given as streams. Not thread-safe.
class Process {
 public:
  // Errors name the program: NOT_FOUND or PERMISSION_DENIED where it can't be executed, and the
  // log file where that can't be opened.
  static absl::StatusOr<std::unique_ptr<Process>> Start(const ProcessOptions& options);
  // Kills a process that still runs, and reaps it.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  // Does nothing once the process has ended: its number may be somebody else's by then.
  void Signal(int number);
  // As Signal, and also to what it has started, as far as that is in its group. Reaches those too
  // that it left behind, until its own end is noticed.
  void SignalGroup(int number);
  // Nothing while it runs. Never blocks.
  std::optional<ExitStatus> Poll();
  // Blocks until it ends or the deadline has passed; nothing then.
  std::optional<ExitStatus> Await(absl::Time deadline);

 private:
  explicit Process(pid_t pid) : pid_(pid) {}

  const pid_t pid_;
  std::optional<ExitStatus> ended_;
};

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_PROCESS_H_
