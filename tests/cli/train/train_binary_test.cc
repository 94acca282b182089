// The binary as a user meets it: exit codes, signals, what it says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "learner/run_directory.h"
#include "nlohmann/json.hpp"
#include "runtime/file_system.h"

namespace anabranch {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kGrid[] =
    "environment: {hypergrid: {dimensions: 2, side: 4}}\n"
    "policy: {mlp: {hidden_width: 16}}\n"
    "learner: {max_steps: 50, batch_trajectories: 4}\n"
    "evaluation: {every_steps: 10}\n";

struct Outcome {
  int exit_code = -1;
  std::string output;  // Both streams.
};

// A started anabranch-train whose output is read as it comes.
class Process {
 public:
  explicit Process(std::vector<std::string> arguments) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(ends[1], STDOUT_FILENO);
      dup2(ends[1], STDERR_FILENO);
      close(ends[0]);
      close(ends[1]);
      arguments.insert(arguments.begin(), ANABRANCH_TRAIN_BINARY);
      std::vector<char*> argv;
      for (std::string& argument : arguments) argv.push_back(argument.data());
      argv.push_back(nullptr);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(ends[1]);
    read_end_ = ends[0];
  }
  ~Process() {
    if (pid_ > 0) Wait();
    close(read_end_);
  }

  void Signal(int number) const { kill(pid_, number); }
  // Blocks until the output holds `text`; false if it ends before.
  bool ReadUntil(const std::string& text) {
    while (output_.find(text) == std::string::npos) {
      if (!ReadSome()) return false;
    }
    return true;
  }
  Outcome Wait() {
    while (ReadSome()) {
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, output_};
  }

 private:
  bool ReadSome() {
    char buffer[4096];
    const ssize_t count = read(read_end_, buffer, sizeof(buffer));
    if (count > 0) output_.append(buffer, count);
    return count > 0;
  }

  pid_t pid_ = -1;
  int read_end_ = -1;
  std::string output_;
};

class TrainBinaryTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = JoinPath(testing::TempDir(), "anabranch_train_XXXXXX");
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    config_ = JoinPath(root_, "run.yaml");
    ASSERT_TRUE(PosixFileSystem()->Write(config_, kGrid).ok());
    out_ = JoinPath(root_, "out");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  static Outcome Run(std::vector<std::string> arguments) {
    return Process(std::move(arguments)).Wait();
  }

  std::string root_, config_, out_;
};

TEST_F(TrainBinaryTest, TrainsAndSaysWhereItsFilesAre) {
  const Outcome run = Run({config_, "--out", out_});
  EXPECT_EQ(run.exit_code, 0) << run.output;
  EXPECT_THAT(run.output, HasSubstr("Done after 50 steps and 200 trajectories"));
  EXPECT_THAT(run.output, HasSubstr(JoinPath(out_, "summary.json")));
  EXPECT_TRUE(OpenRun(*PosixFileSystem(), out_).ok());
}

TEST_F(TrainBinaryTest, AnUnknownKeyIsExit2WithLineAndNearestName) {
  ASSERT_TRUE(PosixFileSystem()->Write(config_, "seed: 1\nlerner: {max_steps: 5}\n").ok());
  const Outcome run = Run({config_, "--out", out_});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.output, HasSubstr("run.yaml:2"));
  EXPECT_THAT(run.output, HasSubstr("learner"));
  EXPECT_FALSE(std::filesystem::exists(out_));
}

TEST_F(TrainBinaryTest, BadFlagsAreExit2) {
  EXPECT_EQ(Run({config_, "--out", out_, "--set", "learner.max_steps=many"}).exit_code, 2);
  EXPECT_EQ(Run({config_, "--out", out_, "--sett", "seed=1"}).exit_code, 2);
  EXPECT_EQ(Run({config_}).exit_code, 2);
  EXPECT_EQ(Run({}).exit_code, 2);
  EXPECT_EQ(Run({JoinPath(root_, "none.yaml"), "--out", out_}).exit_code, 2);
}

TEST_F(TrainBinaryTest, PrintsTheConfigurationWithAllDefaults) {
  const Outcome run = Run({config_, "--print-config", "--set", "seed=7"});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.output, HasSubstr("seed: 7"));
  EXPECT_THAT(run.output, HasSubstr("log_z_learning_rate: 0.1"));
}

TEST_F(TrainBinaryTest, ARunInTheWayIsRefusedInOneLine) {
  ASSERT_EQ(Run({config_, "--out", out_}).exit_code, 0);
  const Outcome again = Run({config_, "--out", out_});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.output, HasSubstr("--resume"));
  EXPECT_EQ(std::count(again.output.begin(), again.output.end(), '\n'), 1) << again.output;
}

TEST_F(TrainBinaryTest, AnOldCheckpointNeedsAPlaceToGoOnIn) {
  ASSERT_EQ(Run({config_, "--out", out_}).exit_code, 0);
  const auto opened = OpenRun(*PosixFileSystem(), out_);
  ASSERT_TRUE(opened.ok());
  const std::string checkpoint = opened->checkpoint.path;
  EXPECT_EQ(Run({"--resume", checkpoint}).exit_code, 2);
  const Outcome elsewhere = Run({"--resume", checkpoint, "--out", JoinPath(root_, "elsewhere"),
                                 "--set", "learner.max_steps=55"});
  EXPECT_EQ(elsewhere.exit_code, 0) << elsewhere.output;
  EXPECT_THAT(elsewhere.output, HasSubstr("Done after 55 steps"));
}

class SignalTest : public TrainBinaryTest, public testing::WithParamInterface<int> {};

TEST_P(SignalTest, EndsInOrderWithACheckpointToGoOnFrom) {
  Process process({config_, "--out", out_, "--set", "learner.max_steps=100000000"});
  ASSERT_TRUE(process.ReadUntil("step 10/"));
  process.Signal(GetParam());
  const Outcome stopped = process.Wait();
  EXPECT_EQ(stopped.exit_code, 0) << stopped.output;
  EXPECT_THAT(stopped.output, HasSubstr("Go on with: anabranch train --resume " + out_));
  auto opened = OpenRun(*PosixFileSystem(), out_);
  ASSERT_TRUE(opened.ok()) << opened.status();
  const auto step = static_cast<int64_t>(opened->checkpoint.manifest.step());
  EXPECT_GE(step, 10);
  auto summary = PosixFileSystem()->Read(JoinPath(out_, "summary.json"));
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ(nlohmann::json::parse(*summary)["step"], step);

  const std::string more = "learner.max_steps=" + std::to_string(step + 5);
  const Outcome resumed = Run({"--resume", out_, "--set", more});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.output;
  EXPECT_THAT(resumed.output, HasSubstr("Done after " + std::to_string(step + 5) + " steps"));
}

INSTANTIATE_TEST_SUITE_P(Signals, SignalTest, testing::Values(SIGINT, SIGTERM));

}  // namespace
}  // namespace anabranch
