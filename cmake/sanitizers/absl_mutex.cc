// Debian's Abseil is not instrumented, so ThreadSanitizer doesn't know that its mutex orders what
// happens under it and reports everything that is guarded by one. These definitions go before the
// library's, tell the sanitizer, and pass the call on.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace {

template <typename Result, typename... Args>
Result PassOn(const char* symbol, Args... args) {
  return reinterpret_cast<Result (*)(Args...)>(dlsym(RTLD_NEXT, symbol))(args...);
}

// Around a call that gives the mutex up and takes it again.
template <typename Call>
auto Reacquire(absl::Mutex* mutex, const Call& call) {
  __tsan_mutex_pre_unlock(mutex, 0);
  __tsan_mutex_post_unlock(mutex, 0);
  __tsan_mutex_pre_lock(mutex, 0);
  struct Finish {
    absl::Mutex* mutex;
    ~Finish() { __tsan_mutex_post_lock(mutex, 0, 0); }
  } finish{mutex};
  return call();
}

}  // namespace

void absl::Mutex::Lock() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  __tsan_mutex_pre_lock(this, 0);
  PassOn<void>("_ZN4absl7debian35Mutex4LockEv", this);
  __tsan_mutex_post_lock(this, 0, 0);
}

void absl::Mutex::Unlock() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  __tsan_mutex_pre_unlock(this, 0);
  PassOn<void>("_ZN4absl7debian35Mutex6UnlockEv", this);
  __tsan_mutex_post_unlock(this, 0);
}

void absl::Mutex::ReaderLock() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  __tsan_mutex_pre_lock(this, __tsan_mutex_read_lock);
  PassOn<void>("_ZN4absl7debian35Mutex10ReaderLockEv", this);
  __tsan_mutex_post_lock(this, __tsan_mutex_read_lock, 0);
}

void absl::Mutex::ReaderUnlock() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  __tsan_mutex_pre_unlock(this, __tsan_mutex_read_lock);
  PassOn<void>("_ZN4absl7debian35Mutex12ReaderUnlockEv", this);
  __tsan_mutex_post_unlock(this, __tsan_mutex_read_lock);
}

void absl::Mutex::Await(const absl::Condition& condition) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  Reacquire(this, [&] {
    PassOn<void>("_ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE", this, &condition);
  });
}

bool absl::Mutex::AwaitWithDeadline(const absl::Condition& condition,
                                    absl::Time deadline) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  return Reacquire(this, [&] {
    return PassOn<bool>("_ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE",
                        this, &condition, deadline);
  });
}

void absl::Mutex::LockWhen(const absl::Condition& condition) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  __tsan_mutex_pre_lock(this, 0);
  PassOn<void>("_ZN4absl7debian35Mutex8LockWhenERKNS0_9ConditionE", this, &condition);
  __tsan_mutex_post_lock(this, 0, 0);
}

bool absl::Mutex::LockWhenWithDeadline(const absl::Condition& condition,
                                       absl::Time deadline) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  __tsan_mutex_pre_lock(this, 0);
  const bool holds =
      PassOn<bool>("_ZN4absl7debian35Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE", this,
                   &condition, deadline);
  __tsan_mutex_post_lock(this, 0, 0);
  return holds;
}

// What has a timeout is not here: it calls what has a deadline, and ends up in these.

void absl::CondVar::Wait(absl::Mutex* mutex) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  Reacquire(mutex,
            [&] { PassOn<void>("_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE", this, mutex); });
}

bool absl::CondVar::WaitWithDeadline(absl::Mutex* mutex,
                                     absl::Time deadline) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  return Reacquire(mutex, [&] {
    return PassOn<bool>("_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE", this,
                        mutex, deadline);
  });
}

void absl::CondVar::Wait(absl::Mutex* mutex) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  Reacquire(mutex,
            [&] { PassOn<void>("_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE", this, mutex); });
}

bool absl::CondVar::WaitWithDeadline(absl::Mutex* mutex,
                                     absl::Time deadline) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  return Reacquire(mutex, [&] {
    return PassOn<bool>("_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE", this,
                        mutex, deadline);
  });
}

bool absl::CondVar::WaitWithTimeout(absl::Mutex* mutex,
                                    absl::Duration timeout) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  return Reacquire(mutex, [&] {
    return PassOn<bool>("_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE",
                        this, mutex, timeout);
  });
}
