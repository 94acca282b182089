// How a process ends: in order at the first SIGTERM or SIGINT, at once at the second.
#ifndef ANABRANCH_RUNTIME_SHUTDOWN_H_
#define ANABRANCH_RUNTIME_SHUTDOWN_H_

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace anabranch {

// Thread-safe. One a process.
class Shutdown {
 public:
  // Blocks the signals in this thread and in all that it starts later, so call it first in main; a
  // thread of its own waits for them. A second signal ends the process with 128 + its number. A
  // child process inherits the blocked signals: unblock them between fork and exec.
  Shutdown();
  // Waits for an OnRequest that runs. The signals stay blocked.
  ~Shutdown();

  // As the first signal does, though it doesn't count as one: for a role that is done, or that
  // can't go on.
  void Request();
  bool requested() const;
  // Blocks until requested.
  void Await();
  // True if requested within that time.
  bool AwaitFor(absl::Duration timeout);
  // Runs once, in another thread, as soon as it is requested (at once if it is). `wake` may take
  // locks; it cancels what others wait for. What it captures lives until ForgetWakes or longer.
  void OnRequest(std::function<void()> wake);
  // None runs from now on, also none that was not called for yet; waits for one that runs. For a
  // role that ends by itself: a signal that comes late then finds nothing that is gone.
  void ForgetWakes();

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_SHUTDOWN_H_
