#include "cli/status/status_command.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/cluster/cluster_file.h"
#include "cli/health/role_client.h"
#include "cli/status/status_table.h"
#include "runtime/config.h"
#include "runtime/rpc/channel.h"

namespace anabranch {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

struct Flags {
  std::vector<std::string> targets;
  bool once = false;
  bool json = false;
  bool insecure = false;
  double timeout_seconds = 2;
  std::string config;
};

// A process, and how its run says that it is reached.
struct Process {
  RoleAddress at;
  v1::ClusterConfig cluster;
};

struct Target {
  RoleRow row;
  std::shared_ptr<grpc::Channel> channel;
};

void Declare(CLI::App& app, Flags& flags) {
  app.add_option("target", flags.targets,
                 "A cluster's directory, or addresses HOST:PORT; without any those in --config, or "
                 "else the default ports of this machine are asked");
  app.add_flag("--once", flags.once, "One look instead of two: totals instead of rates");
  app.add_flag("--json", flags.json, "An array of objects instead of a table");
  app.add_flag("--insecure", flags.insecure, "Ask processes on other machines in plain text");
  app.add_option("--timeout", flags.timeout_seconds, "Seconds to wait for each answer")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--config", flags.config,
                 "The run's configuration: its addresses, certificates and tokens. A cluster's "
                 "directory has its own");
  app.footer(
      "Examples:\n"
      "  anabranch status runs/grid\n"
      "  anabranch status 127.0.0.1:7401 127.0.0.1:7403 --once\n"
      "  anabranch status --config run.yaml\n"
      "WAITS FOR tells who holds whom up: shares of time, added up over threads.\n"
      "Exit status: 0 all roles serve, 1 at least one does not, 2 wrong usage.");
}

absl::StatusOr<std::vector<RoleAddress>> ProcessesOf(const std::string& directory) {
  const std::string path = JoinPath(directory, kClusterFile);
  auto cluster = ReadClusterFile(*PosixFileSystem(), path);
  if (absl::IsNotFound(cluster.status())) {
    return absl::NotFoundError(absl::StrCat(directory, " holds no ", kClusterFile,
                                            ": no cluster was started there; give the --out of "
                                            "'anabranch cluster', or addresses HOST:PORT"));
  }
  if (!cluster.ok()) return cluster.status();
  if (cluster->processes.empty()) {
    return absl::UnavailableError(absl::StrCat("the cluster of ", directory,
                                               " has ended; go on with it by: anabranch cluster "
                                               "--resume ",
                                               directory));
  }
  return cluster->processes;
}

// Of a directory: the one that it was started with, unless another is given.
absl::StatusOr<v1::ClusterConfig> ConfigOf(const std::string& directory, const Flags& flags,
                                           const v1::ClusterConfig& given) {
  if (!flags.config.empty()) return given;
  auto config = ReadClusterConfig(ClusterConfigPath(directory));
  if (absl::IsNotFound(config.status())) return v1::ClusterConfig();
  return config;
}

std::vector<Process> AtKnownAddresses(const v1::ClusterConfig& cluster) {
  const auto or_else = [](const std::string& address, const char* fallback) {
    return address.empty() ? fallback : address;
  };
  return {{{"replay", "-", 0, or_else(cluster.replay_address(), "127.0.0.1:7401"), ""}, cluster},
          {{"reward", "-", 0, or_else(cluster.reward_address(), "127.0.0.1:7402"), ""}, cluster},
          {{"learner", "-", 0, or_else(cluster.learner_address(), "127.0.0.1:7403"), ""}, cluster}};
}

absl::StatusOr<std::vector<Process>> Resolve(const Flags& flags) {
  v1::ClusterConfig given;
  if (!flags.config.empty()) {
    auto config = ReadClusterConfig(flags.config, AnabranchVariables(environ));
    if (!config.ok()) return config.status();
    given = *std::move(config);
  }
  if (flags.targets.empty()) return AtKnownAddresses(given);
  std::vector<Process> processes;
  for (const std::string& target : flags.targets) {
    std::error_code ignored;
    if (!std::filesystem::is_directory(target, ignored) && target.find(':') != std::string::npos) {
      processes.push_back({{"-", "-", 0, target, ""}, given});
      continue;
    }
    auto more = ProcessesOf(target);
    if (!more.ok()) return more.status();
    auto config = ConfigOf(target, flags, given);
    if (!config.ok()) return config.status();
    for (RoleAddress& process : *more) processes.push_back({std::move(process), *config});
  }
  return processes;
}

RoleSample Look(const Target& target, absl::Duration timeout) {
  RoleSample sample;
  auto status = AskStatus(target.channel, timeout);
  if (!status.ok()) {
    sample.error = status.status();
    return sample;
  }
  sample.status = *std::move(status);
  if (sample.status.role() == v1::ROLE_REPLAY) {
    auto info = AskReplayInfo(target.channel, timeout);
    if (info.ok()) sample.replay = *std::move(info);
  }
  return sample;
}

// All at once: one that doesn't answer must not hold up the others.
std::vector<RoleSample> LookAtAll(const std::vector<Target>& targets, absl::Duration timeout) {
  std::vector<RoleSample> samples(targets.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < targets.size(); ++i) {
    threads.emplace_back([&, i] { samples[i] = Look(targets[i], timeout); });
  }
  for (std::thread& thread : threads) thread.join();
  return samples;
}

absl::StatusOr<std::vector<Target>> Connect(const Flags& flags) {
  auto processes = Resolve(flags);
  if (!processes.ok()) return processes.status();
  std::vector<Target> targets;
  for (const Process& process : *processes) {
    const RoleAddress& at = process.at;
    const v1::Role known = RoleOf(at.role);
    const v1::Role role = known == v1::ROLE_UNSPECIFIED ? RoleAt(at.grpc, process.cluster) : known;
    auto channel = MakeChannel("target", at.grpc, OptionsTo(role, process.cluster, flags.insecure));
    if (!channel.ok()) return channel.status();
    Target target;
    target.row.role = at.role;
    target.row.name = at.name;
    target.row.address = at.grpc;
    target.channel = *std::move(channel);
    targets.push_back(std::move(target));
  }
  return targets;
}

std::vector<RoleRow> Ask(const Flags& flags, std::vector<Target>& targets) {
  constexpr absl::Duration kBetweenLooks = absl::Seconds(1);
  const absl::Duration timeout = absl::Seconds(flags.timeout_seconds);
  const absl::Time start = absl::Now();
  std::vector<RoleSample> first = LookAtAll(targets, timeout);
  std::vector<RoleSample> second;
  if (!flags.once) {
    absl::SleepFor(start + kBetweenLooks - absl::Now());
    second = LookAtAll(targets, timeout);
  }
  std::vector<RoleRow> rows;
  for (size_t i = 0; i < targets.size(); ++i) {
    RoleRow row = targets[i].row;
    if (flags.once) {
      row.now = std::move(first[i]);
    } else {
      row.before = std::move(first[i]);
      row.now = std::move(second[i]);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

int RunStatusCommand(const std::vector<std::string>& arguments, std::ostream& out,
                     std::ostream& err) {
  Flags flags;
  CLI::App app("Asks every process of a cluster how it is doing, and prints one table.",
               "anabranch status");
  Declare(app, flags);
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return app.exit(error, out, err) == 0 ? 0 : kUsage;
  }
  auto targets = Connect(flags);
  if (!targets.ok()) {
    err << "anabranch status: " << targets.status().message() << std::endl;
    return absl::IsInvalidArgument(targets.status()) ? kUsage : kFailed;
  }
  const std::vector<RoleRow> rows = Ask(flags, *targets);
  if (flags.json) {
    out << StatusToJson(rows).dump(2, ' ', false, nlohmann::json::error_handler_t::replace)
        << std::endl;
  } else {
    out << FormatStatusTable(rows) << std::flush;
  }
  return std::all_of(rows.begin(), rows.end(), IsServing) ? 0 : kFailed;
}

}  // namespace anabranch
