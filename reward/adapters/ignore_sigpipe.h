// Writing to somebody who may have gone.
#ifndef ANABRANCH_REWARD_ADAPTERS_IGNORE_SIGPIPE_H_
#define ANABRANCH_REWARD_ADAPTERS_IGNORE_SIGPIPE_H_

#include <signal.h>
#include <time.h>

namespace anabranch {

// While it lives, a write of this thread's to a closed pipe or socket fails with EPIPE and raises
// no signal, whatever the process does with SIGPIPE: a library must not decide that for it.
class IgnoreSigpipe {
 public:
  IgnoreSigpipe() {
    sigset_t pending;
    sigemptyset(&pending);
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~IgnoreSigpipe() {
    const timespec now = {0, 0};
    if (!was_pending_) sigtimedwait(&pipe_, nullptr, &now);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  IgnoreSigpipe(const IgnoreSigpipe&) = delete;
  IgnoreSigpipe& operator=(const IgnoreSigpipe&) = delete;

 private:
  sigset_t pipe_;
  sigset_t before_;
  bool was_pending_ = false;
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_ADAPTERS_IGNORE_SIGPIPE_H_
