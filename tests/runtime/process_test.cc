#include "runtime/process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "runtime/file_system.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(60);

class ProcessTest : public testing::Test {
 protected:
  // A shell, which is a program that every machine has.
  std::unique_ptr<Process> Shell(const std::string& script, int death_signal = SIGKILL) {
    auto process =
        Process::Start({{"/bin/sh", "-c", script}, directory_.Path("log"), death_signal});
    EXPECT_TRUE(process.ok()) << process.status();
    return process.ok() ? *std::move(process) : nullptr;
  }
  std::string Log() const { return PosixFileSystem()->Read(directory_.Path("log")).value_or(""); }
  // Blocks until the log holds it. False if the process ends before.
  bool AwaitLog(Process& process, const std::string& text) const {
    const absl::Time deadline = absl::Now() + kPatience;
    while (Log().find(text) == std::string::npos) {
      if (process.Await(std::min(deadline, absl::Now() + absl::Milliseconds(5))).has_value() ||
          absl::Now() > deadline) {
        return Log().find(text) != std::string::npos;
      }
    }
    return true;
  }

  TemporaryDirectory directory_;
};

TEST_F(ProcessTest, ExitStatusAndOutputAreKept) {
  auto process = Shell("echo out; echo err >&2; exit 3");
  const auto status = process->Await(absl::Now() + kPatience);
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->code, 3);
  EXPECT_FALSE(status->ok());
  EXPECT_EQ(ToString(*status), "exit status 3");
  EXPECT_EQ(Log(), "out\nerr\n");
}

TEST_F(ProcessTest, TheLogIsAppendedTo) {
  Shell("echo first")->Await(absl::Now() + kPatience);
  Shell("echo second")->Await(absl::Now() + kPatience);
  EXPECT_EQ(Log(), "first\nsecond\n");
}

TEST_F(ProcessTest, ASignalEndsItAndIsNamed) {
  auto process = Shell("echo up; exec sleep 1000");
  ASSERT_TRUE(AwaitLog(*process, "up"));
  EXPECT_FALSE(process->Poll().has_value());
  EXPECT_FALSE(process->Await(absl::Now()).has_value());
  process->Signal(SIGKILL);
  const auto status = process->Await(absl::Now() + kPatience);
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(ToString(*status), "killed by SIGKILL");
  process->Signal(SIGTERM);  // Nobody is hit.
  EXPECT_EQ(process->Poll()->signal, SIGKILL);
}

TEST_F(ProcessTest, WhatCannotBeStartedIsNamed) {
  auto none = Process::Start({{directory_.Path("none")}, directory_.Path("log")});
  EXPECT_TRUE(absl::IsNotFound(none.status())) << none.status();
  EXPECT_THAT(std::string(none.status().message()), HasSubstr("none"));
  auto unwritable = Process::Start({{"/bin/true"}, directory_.Path("no/log")});
  EXPECT_TRUE(absl::IsNotFound(unwritable.status())) << unwritable.status();
  EXPECT_THAT(std::string(unwritable.status().message()), HasSubstr("no/log"));
  EXPECT_TRUE(absl::IsInvalidArgument(Process::Start({}).status()));
}

TEST_F(ProcessTest, GivenStreamsAreUsed) {
  int in[2], out[2];
  ASSERT_EQ(pipe2(in, O_CLOEXEC), 0);
  ASSERT_EQ(pipe2(out, O_CLOEXEC), 0);
  ProcessOptions options;
  options.command = {"/bin/sh", "-c", "tr a-z A-Z; echo complaint >&2"};
  options.input_fd = in[0];
  options.output_fd = out[1];
  options.log_file = directory_.Path("log");
  auto process = Process::Start(options);
  ASSERT_TRUE(process.ok()) << process.status();
  close(in[0]);
  close(out[1]);
  ASSERT_EQ(write(in[1], "abc", 3), 3);
  close(in[1]);
  EXPECT_TRUE((*process)->Await(absl::Now() + kPatience).value().ok());
  char answer[16];
  EXPECT_EQ(std::string(answer, read(out[0], answer, sizeof(answer))), "ABC");
  close(out[0]);
  EXPECT_EQ(Log(), "complaint\n");
}

TEST_F(ProcessTest, ItsGroupIsSignalledWithIt) {
  auto process = Shell("sh -c 'echo child $$; exec sleep 1000' & wait");
  ASSERT_TRUE(AwaitLog(*process, "\n"));
  int child = 0;
  ASSERT_TRUE(absl::SimpleAtoi(Log().substr(strlen("child ")), &child));
  EXPECT_EQ(getpgid(child), process->pid());
  process->SignalGroup(SIGKILL);
  EXPECT_EQ(process->Await(absl::Now() + kPatience).value().signal, SIGKILL);
  // An orphan is somebody else's to reap; a dead one has no group of ours, or isn't running.
  const absl::Time deadline = absl::Now() + kPatience;
  std::string state = "?";
  while (absl::Now() < deadline) {
    auto stat = PosixFileSystem()->Read(absl::StrCat("/proc/", child, "/stat"));
    state = stat.ok() ? stat->substr(stat->rfind(')') + 2, 1) : "gone";
    if (state == "gone" || state == "Z" || state == "X") break;
  }
  EXPECT_THAT(state, testing::AnyOf("gone", "Z", "X"));
}

TEST_F(ProcessTest, AProgramIsFoundInThePath) {
  EXPECT_THAT(FindProgram("sh").value_or(""), testing::EndsWith("/sh"));
  EXPECT_EQ(FindProgram("/bin/sh").value_or(""), "/bin/sh");
  EXPECT_TRUE(absl::IsNotFound(FindProgram("no-such-program-anywhere").status()));
  EXPECT_TRUE(absl::IsNotFound(FindProgram(directory_.Path("none")).status()));
}

TEST_F(ProcessTest, ATerminalsSignalsDoNotReachIt) {
  auto process = Shell("echo up; exec sleep 1000");
  ASSERT_TRUE(AwaitLog(*process, "up"));
  EXPECT_EQ(getpgid(process->pid()), process->pid());
  EXPECT_NE(getpgid(process->pid()), getpgid(0));
}

TEST_F(ProcessTest, BlockedSignalsAndOpenFilesAreNotPassedOn) {
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &term, nullptr);
  const int inherited = dup(STDERR_FILENO);  // Without FD_CLOEXEC.
  auto process = Shell("ls /proc/self/fd | wc -l; echo up; exec sleep 1000");
  ASSERT_TRUE(AwaitLog(*process, "up"));
  close(inherited);
  pthread_sigmask(SIG_UNBLOCK, &term, nullptr);
  EXPECT_THAT(Log(), testing::StartsWith("4\n"));  // Three streams, and the directory itself.
  process->Signal(SIGTERM);
  EXPECT_EQ(process->Await(absl::Now() + kPatience)->signal, SIGTERM);
}

TEST_F(ProcessTest, DestructionKillsIt) {
  auto process = Shell("echo up; exec sleep 1000");
  ASSERT_TRUE(AwaitLog(*process, "up"));
  const pid_t pid = process->pid();
  process.reset();
  EXPECT_EQ(kill(pid, 0), -1);
}

TEST_F(ProcessTest, ItDiesWithTheThreadThatStartedIt) {
  std::unique_ptr<Process> process;
  std::thread parent([&] {
    process = Shell("echo up; exec sleep 1000", SIGTERM);
    ASSERT_TRUE(AwaitLog(*process, "up"));
  });
  parent.join();
  const auto status = process->Await(absl::Now() + kPatience);
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->signal, SIGTERM);
}

}  // namespace
}  // namespace anabranch
