#include "runtime/shutdown.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace anabranch {
namespace {

sigset_t EndingSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

}  // namespace

struct Shutdown::State {
  void Request() {
    absl::MutexLock lock(&mutex);
    requested = true;
  }
  bool Requested() const ABSL_SHARED_LOCKS_REQUIRED(mutex) { return requested; }
  bool Idle() const ABSL_SHARED_LOCKS_REQUIRED(mutex) { return !waking; }
  bool HasWork() const ABSL_SHARED_LOCKS_REQUIRED(mutex) {
    return ending || (requested && !wakes.empty());
  }
  void WaitForSignals();
  void RunWakes();

  mutable absl::Mutex mutex;
  bool requested ABSL_GUARDED_BY(mutex) = false;
  bool ending ABSL_GUARDED_BY(mutex) = false;
  bool waking ABSL_GUARDED_BY(mutex) = false;
  std::deque<std::function<void()>> wakes ABSL_GUARDED_BY(mutex);
  std::atomic<bool> listening = true;
  std::thread signal_thread;
  // Apart from the one above, so that a wake that blocks doesn't keep a second signal from ending
  // the process.
  std::thread wake_thread;
};

void Shutdown::State::WaitForSignals() {
  const sigset_t signals = EndingSignals();
  for (bool first = true;; first = false) {
    int number = 0;
    if (sigwait(&signals, &number) != 0) return;
    if (!listening.load()) return;
    if (!first) _exit(128 + number);
    Request();
  }
}

void Shutdown::State::RunWakes() {
  for (;;) {
    std::function<void()> due;
    {
      absl::MutexLock lock(&mutex);
      waking = false;
      mutex.Await(absl::Condition(this, &State::HasWork));
      if (ending) return;
      due = std::move(wakes.front());
      wakes.pop_front();
      waking = true;
    }
    due();
  }
}

Shutdown::Shutdown() : state_(std::make_unique<State>()) {
  const sigset_t signals = EndingSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  state_->signal_thread = std::thread([this] { state_->WaitForSignals(); });
  state_->wake_thread = std::thread([this] { state_->RunWakes(); });
}

Shutdown::~Shutdown() {
  {
    absl::MutexLock lock(&state_->mutex);
    state_->ending = true;
  }
  state_->wake_thread.join();
  // sigwait ends with a signal to its own thread and with nothing else.
  state_->listening.store(false);
  pthread_kill(state_->signal_thread.native_handle(), SIGTERM);
  state_->signal_thread.join();
}

void Shutdown::Request() { state_->Request(); }

bool Shutdown::requested() const {
  absl::MutexLock lock(&state_->mutex);
  return state_->requested;
}

void Shutdown::Await() { AwaitFor(absl::InfiniteDuration()); }

bool Shutdown::AwaitFor(absl::Duration timeout) {
  absl::MutexLock lock(&state_->mutex);
  return state_->mutex.AwaitWithTimeout(absl::Condition(state_.get(), &State::Requested), timeout);
}

void Shutdown::OnRequest(std::function<void()> wake) {
  absl::MutexLock lock(&state_->mutex);
  state_->wakes.push_back(std::move(wake));
}

void Shutdown::ForgetWakes() {
  absl::MutexLock lock(&state_->mutex);
  state_->wakes.clear();
  state_->mutex.Await(absl::Condition(state_.get(), &State::Idle));
}

}  // namespace anabranch
