// A child process: started, signalled, waited for.
#ifndef ANABRANCH_CLI_CLUSTER_PROCESS_H_
#define ANABRANCH_CLI_CLUSTER_PROCESS_H_

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
  std::string log_file;              // Both output streams are appended here; made if missing.
  // What the child gets when the thread that started it ends, however that happens.
  int death_signal = SIGKILL;
};

// How a process ended.
struct ExitStatus {
  int code = 0;    // Exit status; without meaning where a signal ended it.
  int signal = 0;  // The signal that ended it; 0 where it left by itself.

  bool ok() const { return code == 0 && signal == 0; }
};

// "exit status 1", "killed by SIGKILL".
std::string ToString(const ExitStatus& status);

// The child has a process group of its own, so that a terminal's Ctrl-C reaches only its parent,
// default signal handlers, an empty signal mask, no input, and none of our file descriptors. Not
// thread-safe.
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

#endif  // ANABRANCH_CLI_CLUSTER_PROCESS_H_
