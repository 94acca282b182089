// anabranch-train: trains a run from its configuration, all roles in one process.
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <iostream>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "cli/train/embedded_run.h"
#include "learner/run_directory.h"
#include "runtime/config.h"

namespace anabranch {
namespace {

constexpr int kFailed = 1;
constexpr int kBadConfiguration = 2;

std::atomic<bool> stop_requested = false;

// The first signal ends the run in order, the second at once.
void OnSignal(int) {
  if (stop_requested.exchange(true)) _exit(130);
}

void CatchSignals() {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

struct Flags {
  std::string config;
  std::string out;
  std::vector<std::string> set;
  std::string resume;
  bool wants_resume = false;
  bool deterministic = false;
  bool print_config = false;
  bool quiet = false;
};

void Declare(CLI::App& app, Flags& flags) {
  app.add_option("config", flags.config,
                 "The run's configuration (YAML). With --resume it may be left out: the run's own "
                 "is taken then");
  app.add_option("--out", flags.out, "Directory for metrics, summary and checkpoints");
  app.add_option("--set", flags.set, "key=value over the file, such as learner.max_steps=500")
      ->allow_extra_args(false);
  app.add_option_function<std::string>(
      "--device", [&flags](const std::string& device) { flags.set.push_back("device=" + device); },
      "Where to compute: auto (a CUDA device if there is one), cpu or cuda:N");
  app.add_option("--resume", flags.resume,
                 "Go on with the run in --out or, given a directory, with that run or checkpoint")
      ->expected(0, 1);
  app.add_flag("--deterministic", flags.deterministic,
               "Lock-step in one thread: the same seed gives the same bytes");
  app.add_flag("--print-config", flags.print_config, "Print the whole configuration and end");
  app.add_flag("--quiet", flags.quiet, "No progress, only warnings and the result");
  app.footer(
      "With reward.oracles the oracles are asked from this process, through the same gateway as a\n"
      "cluster's; results, tickets and what is spent are kept in DIR/reward. A run whose\n"
      "reward.budget is spent ends in order; raise it and --resume to go on. Ctrl-C once ends in\n"
      "order too, also while an oracle is waited for; twice ends at once.");
}

int Fail(const absl::Status& status, int code) {
  std::cerr << "anabranch train: " << status.message() << std::endl;
  return code;
}

// Fills in what the flags imply of each other. A message says what is missing.
absl::Status Complete(Flags& flags) {
  if (flags.wants_resume && flags.resume.empty()) flags.resume = flags.out;
  const bool one_checkpoint =
      PosixFileSystem()->Exists(JoinPath(flags.resume, "manifest.json")).value_or(false);
  if (flags.wants_resume && flags.out.empty() && !one_checkpoint) flags.out = flags.resume;
  if (flags.config.empty() && flags.wants_resume && !flags.resume.empty()) {
    flags.config = JoinPath(flags.resume, kConfigFile);
  }
  if (flags.config.empty()) {
    return absl::InvalidArgumentError(
        "which configuration? For example: anabranch train configs/hypergrid-8x8.yaml --out "
        "runs/8x8");
  }
  if (flags.out.empty() && !flags.print_config) {
    return absl::InvalidArgumentError("--out is missing: where shall metrics and checkpoints go?");
  }
  return absl::OkStatus();
}

Progress MakeProgress(const Flags& flags) {
  Progress::Options options;
  options.quiet = flags.quiet;
  options.terminal = isatty(STDOUT_FILENO) == 1;
  winsize size = {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    options.columns = size.ws_col;
  return Progress(options, std::cout, absl::Now);
}

void PrintResult(const Flags& flags, const RunSummary& summary) {
  const nlohmann::ordered_json& m = summary.metrics;
  std::cout << absl::StrFormat("%s after %d steps and %d trajectories, %.0f iterations/s\n",
                               summary.finished ? "Done" : "Stopped", m.value("step", int64_t{0}),
                               m.value("trajectories", int64_t{0}),
                               m.value("iterations_per_second", 0.0));
  if (!summary.end_reason.empty()) std::cout << "ended:      " << summary.end_reason << "\n";
  std::cout << "metrics:    " << JoinPath(flags.out, kMetricsFile) << "\n"
            << "summary:    " << JoinPath(flags.out, kSummaryFile) << "\n"
            << "checkpoint: " << summary.checkpoint << std::endl;
  if (!summary.finished) {
    std::cout << "Go on with: anabranch train --resume " << flags.out
              << (flags.deterministic ? " --deterministic" : "") << std::endl;
  }
}

int Train(const Flags& flags, const v1::RunConfig& config) {
  CatchSignals();
  Progress progress = MakeProgress(flags);
  EmbeddedRunOptions options;
  options.config = config;
  options.directory = flags.out;
  options.deterministic = flags.deterministic;
  options.resume_from = flags.wants_resume ? flags.resume : "";
  options.stop_requested = [](int64_t) { return stop_requested.load(std::memory_order_relaxed); };
  auto run = EmbeddedRun::Create(std::move(options), PosixFileSystem(), &progress);
  if (absl::IsCancelled(run.status()) && stop_requested) {
    std::cout << "Stopped while waiting for oracles; nothing was trained" << std::endl;
    return 0;
  }
  if (!run.ok()) return Fail(run.status(), kFailed);
  auto summary = (*run)->Run();
  if (!summary.ok()) return Fail(summary.status(), kFailed);
  PrintResult(flags, *summary);
  return 0;
}

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Trains a GFlowNet from a configuration.", "anabranch train");
  Declare(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kBadConfiguration;
  }
  flags.wants_resume = app.count("--resume") > 0;
  absl::Status status = Complete(flags);
  if (!status.ok()) return Fail(status, kBadConfiguration);
  ConfigOverrides overrides{flags.set, AnabranchVariables(environ)};
  auto config = LoadRunConfig(*PosixFileSystem(), flags.config, overrides);
  if (!config.ok()) return Fail(config.status(), kBadConfiguration);
  if (flags.print_config) {
    std::cout << PrintRunConfig(*config);
    return 0;
  }
  return Train(flags, *config);
}

}  // namespace
}  // namespace anabranch

int main(int argc, char** argv) {
  try {
    return anabranch::Main(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "anabranch train: " << error.what() << std::endl;
    return 1;
  }
}
