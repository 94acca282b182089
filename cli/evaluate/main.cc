// anabranch-evaluate: what a checkpoint's policy has learned. `anabranch evaluate` starts it.
#include <ATen/Parallel.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cli/distribution_table.h"
#include "cli/evaluate/policy_report.h"
#include "cli/picture.h"
#include "learner/run_directory.h"
#include "learner/trained_model.h"
#include "runtime/file_system.h"

namespace anabranch {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

struct Flags {
  std::string path;
  std::string distribution;
  std::string picture;
  std::string json;
  PolicyReportOptions report;
};

void Declare(CLI::App& app, Flags& flags) {
  app.add_option("run", flags.path,
                 "A run's directory (its newest whole checkpoint is taken), or one checkpoint")
      ->required();
  app.add_option("--distribution", flags.distribution,
                 "Write every state's learned and true probability to this CSV file");
  app.add_option("--picture", flags.picture,
                 "Write a picture (SVG) of the learned beside the true distribution to this file");
  app.add_option("--json", flags.json, "Write all figures to this file");
  app.add_option("--samples", flags.report.samples, "Trajectories for the sampled figures")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--seed", flags.report.seed, "Of the samples")->capture_default_str();
  app.footer(
      "Where the states can be counted, distances are exact, by pushing probability through the\n"
      "graph; a histogram of samples would have a noise floor. Oracles are never called: where\n"
      "only they know the values (reward.oracles), figures that need values are left out.\n"
      "Examples:\n"
      "  anabranch evaluate runs/grid\n"
      "  anabranch evaluate runs/grid --distribution all.csv --picture all.svg\n"
      "  anabranch evaluate runs/grid/checkpoints/step-000000001000 --json figures.json");
}

// One line that is redrawn, only on a terminal and only for work that takes a while.
class ProgressLine {
 public:
  void Show(const std::string& what, int64_t done, int64_t total) {
    const auto now = std::chrono::steady_clock::now();
    if (isatty(STDERR_FILENO) != 1 || now - last_ < std::chrono::seconds(1)) return;
    last_ = now;
    shown_ = true;
    std::cerr << "\r\033[K" << what << ": " << done << " of " << total << std::flush;
  }
  void Clear() {
    if (shown_) std::cerr << "\r\033[K" << std::flush;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
  bool shown_ = false;
};

absl::Status NeedsDistribution(const PolicyReport& report, absl::string_view flag,
                               const TrainedModel& trained) {
  if (report.distribution.has_value()) return absl::OkStatus();
  if (trained.components.reward == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(
        flag,
        " needs the true distribution, which only the oracles of reward.oracles know; a "
        "built-in reward named beside them would tell it"));
  }
  return absl::FailedPreconditionError(
      absl::StrCat(flag, " needs an environment whose states can be counted, and ",
                   trained.components.environment->spec().fingerprint,
                   " has too many (evaluation.max_exact_states is ",
                   trained.config.evaluation().max_exact_states(), ")"));
}

absl::Status WriteFiles(const Flags& flags, const TrainedModel& trained,
                        const v1::CheckpointManifest& manifest, const PolicyReport& report) {
  FileSystem* files = PosixFileSystem();
  if (!flags.json.empty()) {
    absl::Status status =
        files->WriteAndSync(flags.json, FiguresAsJson(report.figures).dump(2) + "\n");
    if (!status.ok()) return status;
  }
  if (!flags.distribution.empty()) {
    absl::Status status = NeedsDistribution(report, "--distribution", trained);
    if (!status.ok()) return status;
    auto csv = DistributionCsv(*report.distribution);
    if (!csv.ok()) return csv.status();
    if (status = files->WriteAndSync(flags.distribution, *csv); !status.ok()) return status;
  }
  if (!flags.picture.empty()) {
    absl::Status status = NeedsDistribution(report, "--picture", trained);
    if (!status.ok()) return status;
    PictureOptions options;
    options.title = absl::StrCat(manifest.config().run_name(), ", step ", manifest.step());
    const v1::EnvironmentConfig& environment = trained.config.environment();
    const bool square = environment.has_hypergrid() && environment.hypergrid().dimensions() == 2;
    options.grid_side = square ? environment.hypergrid().side() : 0;
    options.log_z_learned = report.log_z_learned;
    auto svg = DrawDistribution(*report.distribution, options);
    if (!svg.ok()) return svg.status();
    if (status = files->WriteAndSync(flags.picture, *svg); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Evaluate(Flags& flags) {
  auto opened = OpenRun(*PosixFileSystem(), flags.path);
  if (!opened.ok()) return opened.status();
  for (const std::string& warning : opened->warnings) {
    std::cerr << "anabranch evaluate: " << warning << std::endl;
  }
  const v1::CheckpointManifest& manifest = opened->checkpoint.manifest;
  auto trained = LoadTrainedModel(opened->checkpoint);
  if (!trained.ok()) return trained.status();
  ProgressLine line;
  flags.report.progress = [&line](const std::string& what, int64_t done, int64_t total) {
    line.Show(what, done, total);
  };
  auto report = EvaluatePolicy(*trained, flags.report);
  line.Clear();
  if (!report.ok()) return report.status();
  std::cout << opened->checkpoint.path << "\n"
            << "run " << manifest.run_id() << ", step " << manifest.step() << ", "
            << manifest.environment_fingerprint() << "\n\n";
  PrintFigures(report->figures, std::cout);
  for (const std::string& figure : report->left_out) std::cout << "\nNot shown: " << figure << "\n";
  if (report->distribution.has_value()) {
    TableOptions table;
    table.ansi = isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
    auto text = TopStatesTable(*report->distribution, table);
    if (!text.ok()) return text.status();
    std::cout << "\n" << *text;
  }
  std::cout << std::flush;
  return WriteFiles(flags, *trained, manifest, *report);
}

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Computes every metric of a trained policy.", "anabranch evaluate");
  Declare(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  at::set_num_threads(static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
  if (absl::Status status = Evaluate(flags); !status.ok()) {
    std::cerr << "anabranch evaluate: " << status.message() << std::endl;
    return kFailed;
  }
  return 0;
}

}  // namespace
}  // namespace anabranch

int main(int argc, char** argv) {
  try {
    return anabranch::Main(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "anabranch evaluate: " << error.what() << std::endl;
    return 1;
  }
}
