#include "runtime/shutdown.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"

namespace anabranch {
namespace {

TEST(Shutdown, IsRequestedOnceAndForAll) {
  Shutdown shutdown;
  EXPECT_FALSE(shutdown.requested());
  EXPECT_FALSE(shutdown.AwaitFor(absl::ZeroDuration()));
  std::thread other([&] { shutdown.Request(); });
  shutdown.Await();
  EXPECT_TRUE(shutdown.requested());
  EXPECT_TRUE(shutdown.AwaitFor(absl::ZeroDuration()));
  other.join();
}

TEST(Shutdown, WakesRunOnceBeforeAndAfterTheRequest) {
  Shutdown shutdown;
  std::atomic<int> runs = 0;
  absl::Notification before, after;
  shutdown.OnRequest([&] {
    ++runs;
    before.Notify();
  });
  shutdown.Request();
  before.WaitForNotification();
  shutdown.Request();
  shutdown.OnRequest([&] {
    ++runs;
    after.Notify();
  });
  after.WaitForNotification();
  shutdown.ForgetWakes();
  EXPECT_EQ(runs, 2);
}

TEST(Shutdown, AForgottenWakeNeverRuns) {
  std::atomic<int> runs = 0;
  {
    Shutdown shutdown;
    shutdown.OnRequest([&] { ++runs; });
    shutdown.ForgetWakes();
    absl::Notification later;
    shutdown.OnRequest([&] { later.Notify(); });
    shutdown.Request();
    // In order: the first would have run before.
    later.WaitForNotification();
  }
  EXPECT_EQ(runs, 0);
}

TEST(Shutdown, ForgettingWaitsForAWakeThatRuns) {
  Shutdown shutdown;
  absl::Notification running, go_on;
  std::atomic<bool> done = false;
  shutdown.OnRequest([&] {
    running.Notify();
    go_on.WaitForNotification();
    done = true;
  });
  shutdown.Request();
  running.WaitForNotification();
  std::thread release([&] { go_on.Notify(); });
  shutdown.ForgetWakes();
  EXPECT_TRUE(done);
  release.join();
}

TEST(Shutdown, ASignalToAProcessRequestsIt) {
  Shutdown shutdown;
  kill(getpid(), SIGINT);
  shutdown.Await();
  EXPECT_TRUE(shutdown.requested());
}

// In a child: each runs what `life` says and ends with what it returns, unless a signal ends it.
template <typename Life>
int InChild(const Life& life) {
  const pid_t pid = fork();
  if (pid == 0) _exit(life());
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(Shutdown, TheFirstSignalEndsInOrderTheSecondAtOnce) {
  EXPECT_EQ(InChild([] {
              Shutdown shutdown;
              kill(getpid(), SIGTERM);
              shutdown.Await();
              return 0;
            }),
            0);
  EXPECT_EQ(InChild([] {
              Shutdown shutdown;
              kill(getpid(), SIGTERM);
              shutdown.Await();
              kill(getpid(), SIGINT);
              for (;;) pause();
              return 0;
            }),
            128 + SIGINT);
}

bool IsPending(int number) {
  sigset_t pending;
  sigpending(&pending);
  return sigismember(&pending, number) == 1;
}

TEST(Shutdown, ARequestFromWithinIsNoSignal) {
  EXPECT_EQ(InChild([] {
              Shutdown shutdown;
              shutdown.Request();
              // The first signal, and it does nothing more than was done.
              kill(getpid(), SIGTERM);
              while (IsPending(SIGTERM)) std::this_thread::yield();
              kill(getpid(), SIGINT);
              for (;;) pause();
              return 0;
            }),
            128 + SIGINT);
}

TEST(Shutdown, AWakeThatHangsDoesNotKeepTheSecondSignalOut) {
  EXPECT_EQ(InChild([] {
              Shutdown shutdown;
              absl::Notification hanging, never;
              shutdown.OnRequest([&] {
                hanging.Notify();
                never.WaitForNotification();
              });
              kill(getpid(), SIGTERM);
              hanging.WaitForNotification();
              kill(getpid(), SIGTERM);
              for (;;) pause();
              return 0;
            }),
            128 + SIGTERM);
}

}  // namespace
}  // namespace anabranch
