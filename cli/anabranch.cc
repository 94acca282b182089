// anabranch: the command. Like git, it starts the binaries beside it that are too heavy to be part
// of it.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "cli/check_oracle/check_oracle_command.h"
#include "cli/cluster/cluster_command.h"
#include "cli/health/health_command.h"
#include "cli/objects/objects_command.h"
#include "cli/status/status_command.h"
#include "runtime/rpc/grpc_log.h"

namespace anabranch {
namespace {

constexpr int kOk = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 2;

constexpr char kHelp[] =
    R"(anabranch trains GFlowNets: policies that build objects step by step, so that an object comes out with
probability proportional to its reward.

usage: anabranch COMMAND ...

  train CONFIG --out DIR     train; live progress, Ctrl-C saves a checkpoint and leaves
  train --resume DIR         go on with a run
  cluster CONFIG --out DIR   the same by real processes that survive each other: replay, reward, learner
                             and --actors N; --resume DIR goes on
  status [DIR|HOST:PORT...]  how every process of a cluster is doing, and who waits for whom
  health HOST:PORT           whether one process serves: a probe
  check-oracle HOST:PORT     whether an oracle of yours keeps the contract, check by check
  evaluate DIR               every metric of a run's newest checkpoint, exact where states can be counted
  objects DIR --top K        the best objects found, with their raw values and provenance
  version                    which version this is
  help [COMMAND]             this, or the same as COMMAND --help

A first session:
  anabranch train configs/hypergrid-8x8.yaml --out runs/grid
  anabranch evaluate runs/grid --picture runs/grid/picture.svg
  anabranch objects runs/grid --top 5

A run's directory holds config.yaml, metrics.jsonl (one line for each evaluation), summary.json (the
last of them) and checkpoints/. Exit status: 0 done, 1 failed, 2 wrong usage or configuration.
)";

struct Command {
  const char* name;
  const char* binary;  // Beside this one; null for what is part of it.
};

constexpr Command kCommands[] = {{"train", "anabranch-train"},
                                 {"evaluate", "anabranch-evaluate"},
                                 {"cluster", nullptr},
                                 {"status", nullptr},
                                 {"health", nullptr},
                                 {"objects", nullptr},
                                 {"check-oracle", nullptr},
                                 {"version", nullptr},
                                 {"help", nullptr}};

// Where the other binaries lie.
std::filesystem::path OwnDirectory() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
}

// Becomes the binary beside this one; returns only if that fails.
int Become(const std::string& binary, const std::vector<std::string>& arguments) {
  const std::string path = (OwnDirectory() / binary).string();
  std::vector<char*> argv = {const_cast<char*>(path.c_str())};
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  execv(path.c_str(), argv.data());
  std::cerr << "anabranch: can't start " << path << ": " << std::strerror(errno)
            << "; install or build it beside anabranch" << std::endl;
  return kFailed;
}

// Letters to change, add or leave out.
size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({change, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

int Unknown(const std::string& name) {
  const Command* nearest = std::min_element(
      std::begin(kCommands), std::end(kCommands), [&](const Command& a, const Command& b) {
        return EditDistance(name, a.name) < EditDistance(name, b.name);
      });
  std::cerr << "anabranch: there is no command '" << name << "'; did you mean '" << nearest->name
            << "'? 'anabranch help' lists all" << std::endl;
  return kUsage;
}

int Run(std::vector<std::string> arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h") {
    (arguments.empty() ? std::cerr : std::cout) << kHelp;
    return arguments.empty() ? kUsage : kOk;
  }
  std::string name = arguments[0];
  arguments.erase(arguments.begin());
  if (name == "help") {
    if (arguments.empty()) return Run({"--help"});
    name = arguments[0];
    arguments = {"--help"};
  }
  if (name == "version" || name == "--version") {
    std::cout << "anabranch " << ANABRANCH_VERSION << std::endl;
    return kOk;
  }
  if (name == "objects") return RunObjectsCommand(arguments, std::cout, std::cerr);
  if (name == "cluster") return RunClusterCommand(arguments, OwnDirectory().string());
  if (name == "status") return RunStatusCommand(arguments, std::cout, std::cerr);
  if (name == "check-oracle") return RunCheckOracleCommand(arguments, std::cout, std::cerr);
  if (name == "health") return RunHealthCommand(arguments, std::cout, std::cerr);
  for (const Command& command : kCommands) {
    if (name == command.name && command.binary != nullptr) return Become(command.binary, arguments);
  }
  return Unknown(name);
}

}  // namespace
}  // namespace anabranch

int main(int argc, char** argv) {
  anabranch::QuietGrpc();
  try {
    return anabranch::Run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << "anabranch: " << error.what() << std::endl;
    return 1;
  }
}
