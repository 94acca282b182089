#include "cli/status/status_command.h"

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
};

struct Target {
  RoleRow row;
  std::shared_ptr<grpc::Channel> channel;
};

void Declare(CLI::App& app, Flags& flags) {
  app.add_option("target", flags.targets,
                 "A cluster's directory, or addresses HOST:PORT; without any the default ports of "
                 "this machine are asked");
  app.add_flag("--once", flags.once, "One look instead of two: totals instead of rates");
  app.add_flag("--json", flags.json, "An array of objects instead of a table");
  app.add_flag("--insecure", flags.insecure, "Ask processes on other machines in plain text");
  app.add_option("--timeout", flags.timeout_seconds, "Seconds to wait for each answer")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.footer(
      "Examples:\n"
      "  anabranch status runs/grid\n"
      "  anabranch status 127.0.0.1:7401 127.0.0.1:7403 --once\n"
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

absl::StatusOr<std::vector<RoleAddress>> Resolve(const Flags& flags) {
  if (flags.targets.empty()) {
    return std::vector<RoleAddress>{{"replay", "-", 0, "127.0.0.1:7401", ""},
                                    {"reward", "-", 0, "127.0.0.1:7402", ""},
                                    {"learner", "-", 0, "127.0.0.1:7403", ""}};
  }
  std::vector<RoleAddress> processes;
  for (const std::string& target : flags.targets) {
    std::error_code ignored;
    if (!std::filesystem::is_directory(target, ignored) && target.find(':') != std::string::npos) {
      processes.push_back({"-", "-", 0, target, ""});
      continue;
    }
    auto more = ProcessesOf(target);
    if (!more.ok()) return more.status();
    processes.insert(processes.end(), more->begin(), more->end());
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
  for (const RoleAddress& process : *processes) {
    ChannelOptions options;
    options.insecure = flags.insecure;
    auto channel = MakeChannel("target", process.grpc, options);
    if (!channel.ok()) return channel.status();
    Target target;
    target.row.role = process.role;
    target.row.name = process.name;
    target.row.address = process.grpc;
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
