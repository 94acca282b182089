// A program that is asked through its standard input and answers on its standard output.
#ifndef ANABRANCH_REWARD_ADAPTERS_CHILD_PROGRAM_H_
#define ANABRANCH_REWARD_ADAPTERS_CHILD_PROGRAM_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "reward/adapters/cancel_event.h"
#include "reward/adapters/program_log.h"
#include "runtime/process.h"

namespace anabranch {

// A thread of its own starts it, brings its standard error to the log, and reaps it as soon as it
// ends, with whatever it has started. It doesn't outlive this process, however that ends. A program
// that has gone never raises SIGPIPE here. Ask from one thread at a time; the rest is thread-safe.
class ChildProgram {
 public:
  // Blocks until it runs. UNAVAILABLE names the command. The log and the event, which ends
  // its questions with CANCELLED, outlive it.
  static absl::StatusOr<std::unique_ptr<ChildProgram>> Start(
      const std::vector<std::string>& command, ProgramLog& log, const CancelEvent& cancel);
  // Kills what still runs.
  ~ChildProgram();
  ChildProgram(const ChildProgram&) = delete;
  ChildProgram& operator=(const ChildProgram&) = delete;

  pid_t pid() const { return pid_; }
  bool Ended() const;

  // Writes `input` while it reads a line of output, which is returned without its end.
  // DEADLINE_EXCEEDED; UNAVAILABLE where the program ends, and says how; MalformedAnswer for more
  // than `max_bytes`. After an error it can't be asked again.
  absl::StatusOr<std::string> AskLine(absl::string_view input, size_t max_bytes,
                                      absl::Time deadline);
  // Writes `input`, ends the input, and reads everything until the program ends. UNAVAILABLE where
  // that is with an exit status other than 0. Otherwise as AskLine; once.
  absl::StatusOr<std::string> AskOnce(absl::string_view input, size_t max_bytes,
                                      absl::Time deadline);
  // Ends its input: it has been asked for the last time.
  void CloseInput();
  // Ends its input and waits for it to end by itself. Whether it did.
  bool Finish(absl::Time deadline);

 private:
  struct Pipes;

  explicit ChildProgram(const CancelEvent& cancel) : cancel_(cancel) {}
  // What its thread does.
  void Run(std::unique_ptr<Pipes> pipes, std::vector<std::string> command, ProgramLog& log);
  void Watch(Process& process, int error_fd, ProgramLog& log);
  std::optional<ExitStatus> AwaitExit(absl::Time deadline);
  // How it ended, or that it closed its output.
  absl::Status EndedEarly(absl::Time deadline);
  // One step: waits until something can be read or written. False at the end of the output.
  absl::StatusOr<bool> Exchange(absl::string_view& input, absl::Time deadline);
  absl::Status CheckSize(size_t max_bytes) const;

  const CancelEvent& cancel_;
  int input_fd_ = -1;   // We write here,
  int output_fd_ = -1;  // and read here.
  int wake_fd_ = -1;    // Readable once the program is to go.
  std::string output_;  // Read, and not yet returned.
  pid_t pid_ = 0;
  std::thread thread_;

  mutable absl::Mutex mu_;
  std::optional<absl::Status> started_ ABSL_GUARDED_BY(mu_);
  std::optional<ExitStatus> ended_ ABSL_GUARDED_BY(mu_);
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_ADAPTERS_CHILD_PROGRAM_H_
