#include "cli/cluster/cluster_command.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <iostream>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "cli/cluster/cluster.h"
#include "cli/cluster/cluster_directory.h"
#include "cli/cluster/cluster_file.h"
#include "cli/progress/budget_rate.h"
#include "cli/progress/progress.h"
#include "learner/run_directory.h"
#include "nlohmann/json.hpp"
#include "runtime/config.h"

namespace anabranch {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

std::atomic<int> stop_signals = 0;
std::atomic<int> last_signal = 0;

void OnSignal(int number) {
  last_signal = number;
  ++stop_signals;
}

// Without SA_RESTART: a signal ends a pause at once.
void CatchSignals() {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);  // Whoever reads the progress may go away.
}

struct Flags {
  std::string config;
  int actors = 2;
  std::string out;
  std::vector<std::string> set;
  std::string resume;
  bool wants_resume = false;
  std::string log_format = "text";
  std::string log_level = "info";
  bool ledger = false;
  bool quiet = false;
};

void Declare(CLI::App& app, Flags& flags) {
  app.add_option("config", flags.config,
                 "The run's configuration (YAML). With --resume it may be left out: the one that "
                 "the run was last started with is taken then");
  app.add_option("--actors", flags.actors, "How many actors roll out")->capture_default_str();
  app.add_option("--out", flags.out,
                 "Directory for metrics, checkpoints, state and logs. A run that a "
                 "cluster began there is gone on with");
  app.add_option("--set", flags.set, "key=value over the file, such as learner.max_steps=500")
      ->allow_extra_args(false);
  app.add_option("--resume", flags.resume, "Go on with the cluster's run in this directory")
      ->expected(0, 1);
  app.add_option("--log-format", flags.log_format, "Of the processes' logs: text or json")
      ->capture_default_str()
      ->check(CLI::IsMember({"text", "json"}));
  app.add_option("--log-level", flags.log_level, "debug, info, warning or error")
      ->capture_default_str()
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
  app.add_flag("--ledger", flags.ledger,
               "Audit: actors and learner note every trajectory in DIR/ledgers");
  app.add_flag("--quiet", flags.quiet, "No progress, only notes and the result");
  app.footer(
      "Starts replay, reward, learner and actors on free ports of this machine, keeps them alive,\n"
      "and shows one line of progress. Ctrl-C once: all leave in order, everything is saved;\n"
      "twice: all are killed.\n"
      "Examples:\n"
      "  anabranch cluster configs/hypergrid-8x8.yaml --actors 3 --out runs/cluster\n"
      "  anabranch status runs/cluster\n"
      "  anabranch cluster --resume runs/cluster --set learner.max_steps=4000\n"
      "DIR holds what 'anabranch train' leaves there, and cluster.json (who listens where), "
      "logs/,\n"
      "replay/ (its state), reward/ (results of oracles and what they cost), actors/ "
      "(trajectories\n"
      "that wait for an oracle) and processes/. A run whose reward.budget is spent ends in order;\n"
      "raise it to go on. Exit status: 0 done or stopped in order, 1 failed,\n"
      "2 wrong usage or configuration.");
}

int Fail(const absl::Status& status) {
  std::cerr << "anabranch cluster: " << status.message() << std::endl;
  return absl::IsInvalidArgument(status) ? kUsage : kFailed;
}

absl::Status Complete(Flags& flags) {
  if (flags.wants_resume && flags.resume.empty()) flags.resume = flags.out;
  if (flags.wants_resume && flags.resume.empty()) {
    return absl::InvalidArgumentError("--resume: which run? Give its directory");
  }
  if (flags.wants_resume && !flags.out.empty() && flags.out != flags.resume) {
    return absl::InvalidArgumentError(
        absl::StrCat("--out is ", flags.out, " and --resume ", flags.resume,
                     ": a cluster goes on where it was; leave --out away"));
  }
  if (flags.wants_resume) flags.out = flags.resume;
  if (flags.config.empty() && flags.wants_resume) flags.config = ClusterConfigPath(flags.out);
  if (flags.config.empty()) {
    return absl::InvalidArgumentError(
        "which configuration? For example: anabranch cluster configs/hypergrid-8x8.yaml --actors 3 "
        "--out runs/cluster");
  }
  if (flags.out.empty()) {
    return absl::InvalidArgumentError("--out is missing: where shall metrics and checkpoints go?");
  }
  if (flags.actors < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("--actors is ", flags.actors, "; at least 1 must roll out"));
  }
  return absl::OkStatus();
}

Progress MakeProgress(const Flags& flags) {
  Progress::Options options;
  options.quiet = flags.quiet;
  options.terminal = isatty(STDOUT_FILENO) == 1;
  winsize size = {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    options.columns = size.ws_col;
  }
  return Progress(options, std::cout, absl::Now);
}

nlohmann::ordered_json ReadSummary(const std::string& directory) {
  auto text = PosixFileSystem()->Read(JoinPath(directory, kSummaryFile));
  if (!text.ok()) return nlohmann::ordered_json::object();
  auto summary = nlohmann::ordered_json::parse(*text, nullptr, /*allow_exceptions=*/false);
  return summary.is_object() ? summary : nlohmann::ordered_json::object();
}

// The numbers that JSON writes as null are left as they are.
void Overwrite(double& value, const nlohmann::ordered_json& summary, const char* key) {
  const auto found = summary.find(key);
  if (found != summary.end() && found->is_number()) value = found->get<double>();
}

// The last line of progress, from what the learner has left: it is gone before it could be asked.
void ShowEnd(const nlohmann::ordered_json& summary, ProgressReport report, Progress& progress) {
  report.step = summary.value("step", report.step);
  Overwrite(report.loss, summary, "loss");
  Overwrite(report.log_z, summary, "log_z");
  if (summary.contains("tv") && summary["tv"].is_number()) report.tv = summary["tv"].get<double>();
  report.modes_found = summary.value("modes", report.modes_found);
  report.modes = summary.value("modes_total", report.modes);
  progress.ShowEvaluation(report, /*last=*/true);
}

void PrintResult(const std::string& directory, const nlohmann::ordered_json& m, ClusterEnd end) {
  const bool finished = end == ClusterEnd::kFinished;
  double rate = 0;
  Overwrite(rate, m, "iterations_per_second");
  std::cout << absl::StrFormat("%s after %d steps and %d trajectories, %.0f iterations/s\n",
                               finished ? "Done" : "Stopped", m.value("step", int64_t{0}),
                               m.value("trajectories", int64_t{0}), rate);
  if (const std::string reason = m.value("end_reason", ""); !reason.empty()) {
    std::cout << "ended:      " << reason << "\n";
  }
  std::cout << "metrics:    " << JoinPath(directory, kMetricsFile) << "\n"
            << "summary:    " << JoinPath(directory, kSummaryFile) << "\n"
            << "checkpoint: " << m.value("checkpoint", "") << "\n"
            << "logs:       " << JoinPath(directory, kLogsDirectory) << std::endl;
  if (!finished) {
    std::cout << "Go on with: anabranch cluster --resume " << directory << std::endl;
  }
}

int Train(const Flags& flags, const v1::RunConfig& config, const ClusterDirectory& directory,
          const std::string& binaries) {
  Progress progress = MakeProgress(flags);
  ProgressReport report;
  report.max_steps = static_cast<int64_t>(config.learner().max_steps());
  int64_t shown_step = -1;
  BudgetRate budget_rate;
  ClusterWatcher watcher;
  watcher.note = [&](const std::string& note) { progress.Note(note); };
  watcher.progress = [&](const v1::TrainingStatus& training) {
    report = ReportOf(training, config.learner().batch_trajectories());
    if (training.has_budget()) report.budget = budget_rate.Add(training.budget(), absl::Now());
    if (progress.IsDue()) {
      progress.Show(report);
    } else if (isatty(STDOUT_FILENO) != 1 && report.step > shown_step && report.step > 0) {
      progress.ShowEvaluation(report, /*last=*/false);
    }
    shown_step = report.step;
  };
  ClusterOptions options;
  options.roles.binaries = binaries;
  options.roles.config = ClusterConfigPath(flags.out);
  options.roles.set = flags.set;
  options.roles.directory = flags.out;
  options.roles.run_id = directory.run_id();
  options.roles.log_format = flags.log_format;
  options.roles.log_level = flags.log_level;
  options.roles.ledgers = flags.ledger;
  options.actors = flags.actors;
  options.learner_security = SecurityOf(v1::ROLE_LEARNER, config.cluster());
  options.max_steps = report.max_steps;
  progress.Note(absl::StrCat(directory.resumed() ? "Going on with run " : "Run ",
                             directory.run_id(), "; look at it by: anabranch status ", flags.out));
  Cluster cluster(std::move(options), watcher, [] { return stop_signals.load(); });
  auto end = cluster.Run();
  if (!end.ok()) return Fail(end.status());
  if (*end == ClusterEnd::kKilled) {
    progress.Note("Killed: what was not saved before is lost");
    return 128 + last_signal;
  }
  const nlohmann::ordered_json summary = ReadSummary(flags.out);
  ShowEnd(summary, report, progress);
  PrintResult(flags.out, summary, *end);
  return 0;
}

int Run(const Flags& flags, const std::string& binaries) {
  const ConfigOverrides overrides{flags.set, AnabranchVariables(environ)};
  auto config = LoadRunConfig(*PosixFileSystem(), flags.config, overrides);
  if (absl::IsNotFound(config.status()) && flags.wants_resume) {
    return Fail(absl::NotFoundError(absl::StrCat("no cluster was started in ", flags.out, " (",
                                                 config.status().message(), ")")));
  }
  if (!config.ok()) return Fail(absl::InvalidArgumentError(config.status().message()));
  auto directory = ClusterDirectory::Open(flags.out, config->run_name(), flags.wants_resume);
  if (!directory.ok()) return Fail(directory.status());
  // One file for all processes, whatever becomes of the given one.
  absl::Status written =
      PosixFileSystem()->WriteAndSync(ClusterConfigPath(flags.out), PrintRunConfig(*config));
  if (!written.ok()) return Fail(written);
  return Train(flags, *config, **directory, binaries);
}

}  // namespace

int RunClusterCommand(const std::vector<std::string>& arguments, const std::string& binaries) {
  Flags flags;
  CLI::App app("Trains a run by real processes on this machine.", "anabranch cluster");
  Declare(app, flags);
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  flags.wants_resume = app.count("--resume") > 0;
  absl::Status status = Complete(flags);
  if (!status.ok()) return Fail(status);
  CatchSignals();
  return Run(flags, binaries);
}

}  // namespace anabranch
