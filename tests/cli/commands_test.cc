// The commands as a user types them: the real binaries on a real, short run.
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace anabranch {
namespace {

namespace fs = std::filesystem;

struct Outcome {
  int status = -1;
  std::string output;  // Standard output and standard error.
};

Outcome RunCommand(const std::string& arguments) {
  const std::string command = std::string(ANABRANCH_BIN_DIR) + "/anabranch " + arguments + " 2>&1";
  Outcome outcome;
  FILE* pipe = popen(command.c_str(), "r");
  char buffer[4096];
  while (pipe != nullptr && std::fgets(buffer, sizeof(buffer), pipe) != nullptr) {
    outcome.output += buffer;
  }
  const int status = pclose(pipe);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// One run for all tests: 300 steps on the 8 × 8 grid, a checkpoint each 100.
class CommandsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    root_ = fs::temp_directory_path() / ("anabranch-commands-" + std::to_string(getpid()));
    fs::create_directories(root_);
    const Outcome trained =
        RunCommand("train configs/hypergrid-8x8.yaml --quiet --out " + (root_ / "run").string() +
                   " --set learner.max_steps=300 --set learner.checkpoint.every_steps=100");
    ASSERT_EQ(trained.status, 0) << trained.output;
  }
  static void TearDownTestSuite() { fs::remove_all(root_); }

  static std::string Path(const std::string& name) { return (root_ / name).string(); }

  inline static fs::path root_;
};

TEST_F(CommandsTest, HelpNamesEveryCommandAndUsageErrorsExitWith2) {
  const Outcome help = RunCommand("--help");
  EXPECT_EQ(help.status, 0);
  for (const char* name : {"train", "evaluate", "objects", "version"}) {
    EXPECT_NE(help.output.find(name), std::string::npos);
    if (std::string(name) != "version") {
      EXPECT_EQ(RunCommand("help " + std::string(name)).status, 0) << name;
    }
  }
  EXPECT_EQ(RunCommand("").status, 2);
  const Outcome typo = RunCommand("evalute");
  EXPECT_EQ(typo.status, 2);
  EXPECT_NE(typo.output.find("did you mean 'evaluate'"), std::string::npos) << typo.output;
  EXPECT_EQ(RunCommand("objects").status, 2);
  EXPECT_EQ(RunCommand("objects " + Path("run") + " --top 0").status, 2);
  EXPECT_EQ(RunCommand("evaluate --no-such-flag").status, 2);
}

TEST_F(CommandsTest, AWrongConfigurationExitsWith2AndNamesTheNearestKey) {
  const Outcome key = RunCommand("train configs/hypergrid-8x8.yaml --out " + Path("never") +
                                 " --set learner.max_step=3");
  EXPECT_EQ(key.status, 2);
  EXPECT_NE(key.output.find("max_steps"), std::string::npos) << key.output;
  EXPECT_EQ(RunCommand("train " + Path("missing.yaml") + " --out " + Path("never")).status, 2);
  EXPECT_FALSE(fs::exists(Path("never")));
}

TEST_F(CommandsTest, ARunIsNotOverwritten) {
  const Outcome again = RunCommand("train configs/hypergrid-8x8.yaml --out " + Path("run"));
  EXPECT_EQ(again.status, 1);
  EXPECT_NE(again.output.find("--resume"), std::string::npos) << again.output;
}

TEST_F(CommandsTest, EvaluateWritesTheWholeDistributionAPictureAndAllFigures) {
  const Outcome outcome =
      RunCommand("evaluate " + Path("run") + " --samples 200 --distribution " + Path("d.csv") +
                 " --picture " + Path("p.svg") + " --json " + Path("f.json"));
  ASSERT_EQ(outcome.status, 0) << outcome.output;
  const std::vector<std::string> lines = Lines(ReadFile(Path("d.csv")));
  ASSERT_EQ(lines.size(), 65u);
  EXPECT_EQ(lines[0], "state,object,learned_probability,true_probability,log_reward");
  double learned = 0, truth = 0, l1 = 0;
  for (size_t i = 1; i < lines.size(); ++i) {
    std::istringstream row(lines[i]);
    std::string state, object, p, q;
    std::getline(row, state, ',');
    std::getline(row, object, ',');
    std::getline(row, p, ',');
    std::getline(row, q, ',');
    learned += std::stod(p);
    truth += std::stod(q);
    l1 += std::abs(std::stod(p) - std::stod(q));
  }
  EXPECT_NEAR(learned, 1, 1e-6);
  EXPECT_NEAR(truth, 1, 1e-6);
  const auto figures = nlohmann::json::parse(ReadFile(Path("f.json")));
  EXPECT_NEAR(figures["tv"].get<double>(), l1 / 2, 1e-6);
  EXPECT_NEAR(figures["log_z_true"].get<double>(), 3.10906, 1e-5);
  const double slack = 5 * figures["elbo_standard_error"].get<double>();
  EXPECT_LE(figures["elbo"].get<double>(), 3.10906 + slack);
  const std::string svg = ReadFile(Path("p.svg"));
  EXPECT_EQ(svg.compare(0, 4, "<svg"), 0);
  EXPECT_NE(svg.find("</svg>"), std::string::npos);
  EXPECT_NE(outcome.output.find("total variation"), std::string::npos);
}

TEST_F(CommandsTest, ObjectsComeBestFirstWithProvenance) {
  const Outcome outcome = RunCommand("objects " + Path("run") + " --top 6 --format jsonl");
  ASSERT_EQ(outcome.status, 0) << outcome.output;
  double last = 1e9;
  int rank = 0;
  for (const std::string& line : Lines(outcome.output)) {
    const auto object = nlohmann::json::parse(line);
    EXPECT_EQ(object["rank"].get<int>(), ++rank);
    EXPECT_LE(object["log_reward"].get<double>(), last);
    last = object["log_reward"].get<double>();
    EXPECT_NEAR(std::log(object["values"]["reward"].get<double>()), last, 1e-9);
    EXPECT_FALSE(object["run_id"].get<std::string>().empty());
    EXPECT_FALSE(object["oracle"].get<std::string>().empty());
  }
  EXPECT_EQ(rank, 6);
  const Outcome csv =
      RunCommand("objects " + Path("run") + " --all --format csv --output " + Path("o.csv"));
  ASSERT_EQ(csv.status, 0) << csv.output;
  const Outcome table = RunCommand("objects " + Path("run") + " --top 1");
  EXPECT_NE(table.output.find("2.6"), std::string::npos) << table.output;
  EXPECT_GT(Lines(ReadFile(Path("o.csv"))).size(), 30u);
}

TEST_F(CommandsTest, ADamagedCheckpointIsPassedOverWithAWarning) {
  fs::copy(Path("run"), Path("damaged"), fs::copy_options::recursive);
  {
    std::fstream model(Path("damaged") + "/checkpoints/step-000000000300/model.safetensors",
                       std::ios::in | std::ios::out | std::ios::binary);
    ASSERT_TRUE(model);
    model.seekp(5000);
    model.put('\x7f');
  }
  const Outcome outcome = RunCommand("evaluate " + Path("damaged") + " --samples 100");
  EXPECT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_NE(outcome.output.find("model.safetensors"), std::string::npos) << outcome.output;
  EXPECT_NE(outcome.output.find("step 200"), std::string::npos) << outcome.output;
  const Outcome only = RunCommand("objects " + Path("damaged") + "/checkpoints/step-000000000300");
  EXPECT_EQ(only.status, 1);
  EXPECT_NE(only.output.find("model.safetensors"), std::string::npos) << only.output;
}

TEST_F(CommandsTest, WhatIsMissingIsNamed) {
  const Outcome outcome = RunCommand("evaluate " + Path("nowhere"));
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.output.find("nowhere"), std::string::npos) << outcome.output;
  const Outcome unwritable = RunCommand("objects " + Path("run") + " --output /nonexistent/o.csv");
  EXPECT_EQ(unwritable.status, 1);
  EXPECT_NE(unwritable.output.find("/nonexistent/o.csv"), std::string::npos) << unwritable.output;
}

}  // namespace
}  // namespace anabranch
