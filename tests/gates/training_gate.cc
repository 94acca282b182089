#include "tests/gates/training_gate.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/train/embedded_run.h"
#include "learner/run_directory.h"
#include "nlohmann/json.hpp"
#include "runtime/config.h"

namespace anabranch {
namespace {

using Lines = std::vector<nlohmann::json>;

absl::StatusOr<Lines> TrainOnce(const TrainingGate& gate, uint64_t seed,
                                const std::string& directory) {
  ConfigOverrides overrides;
  overrides.flags = gate.flags;
  overrides.flags.push_back(absl::StrCat("seed=", seed));
  const std::string path = JoinPath("configs", gate.config);  // CTest starts tests in the root.
  auto config = LoadRunConfig(*PosixFileSystem(), path, overrides);
  if (!config.ok()) return config.status();
  EmbeddedRunOptions options;
  options.config = *config;
  options.directory = directory;
  options.deterministic = gate.deterministic;
  Progress progress(Progress::Options(), std::cout, absl::Now);
  auto run = EmbeddedRun::Create(std::move(options), PosixFileSystem(), &progress);
  if (!run.ok()) return run.status();
  auto summary = (*run)->Run();
  if (!summary.ok()) return summary.status();
  auto text = PosixFileSystem()->Read(JoinPath(directory, kMetricsFile));
  if (!text.ok()) return text.status();
  Lines lines;
  std::istringstream stream(*text);
  for (std::string line; std::getline(stream, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

// The metric in the last line within the bound's trajectories; fails the test where there is none.
double ValueAt(const Lines& lines, const GateBound& bound) {
  std::optional<double> value;
  for (const nlohmann::json& line : lines) {
    if (line["trajectories"] <= bound.within_trajectories) value = line.at(bound.metric);
  }
  EXPECT_TRUE(value.has_value()) << "no evaluation within " << bound.within_trajectories;
  return value.value_or(0);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

void RunTrainingGate(const TrainingGate& gate) {
  std::string root = JoinPath(testing::TempDir(), "anabranch_gate_XXXXXX");
  ASSERT_NE(mkdtemp(root.data()), nullptr);
  std::vector<Lines> runs;
  for (const uint64_t seed : gate.seeds) {
    auto lines = TrainOnce(gate, seed, JoinPath(root, absl::StrCat("seed-", seed)));
    ASSERT_TRUE(lines.ok()) << lines.status();
    runs.push_back(*std::move(lines));
  }
  std::filesystem::remove_all(root);
  for (const GateBound& bound : gate.bounds) {
    std::vector<double> values;
    for (const Lines& lines : runs) values.push_back(ValueAt(lines, bound));
    const double median = Median(values);
    const std::string what =
        absl::StrCat(bound.metric, " within ", bound.within_trajectories, " trajectories");
    std::cout << gate.name << ": " << what << ": " << median << "\n";
    if (bound.at_most.has_value()) {
      EXPECT_LE(median, *bound.at_most) << what;
    }
    if (bound.at_least.has_value()) {
      EXPECT_GE(median, *bound.at_least) << what;
    }
  }
}

}  // namespace anabranch
