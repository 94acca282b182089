#include "cli/cluster/role_command.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/cluster/cluster_file.h"
#include "runtime/file_system.h"

namespace anabranch {
namespace {

void AddPeer(std::vector<std::string>& command, const char* key, const std::string& address) {
  if (address.empty()) return;
  command.push_back("--set");
  command.push_back(absl::StrCat("cluster.", key, "_address=", address));
}

std::string LedgerOf(const std::string& directory, const std::string& name) {
  return JoinPath(JoinPath(directory, kLedgersDirectory), name + ".jsonl");
}

}  // namespace

std::string RoleWord(v1::Role role) {
  return absl::AsciiStrToLower(absl::StripPrefix(v1::Role_Name(role), "ROLE_"));
}

std::string AddressFileOf(const std::string& directory, const std::string& name) {
  return JoinPath(JoinPath(directory, kProcessesDirectory), name + ".json");
}

std::string LogFileOf(const std::string& directory, const std::string& name) {
  return JoinPath(JoinPath(directory, kLogsDirectory), name + ".log");
}

std::vector<std::string> RoleCommand(const RoleCommandOptions& options, v1::Role role,
                                     const std::string& name, const std::string& listen,
                                     const PeerAddresses& peers) {
  const std::string& directory = options.directory;
  std::vector<std::string> command = {
      JoinPath(options.binaries, "anabranch-" + RoleWord(role)),
      options.config,
      "--name",
      name,
      "--listen",
      listen,
      "--address-file",
      AddressFileOf(directory, name),
      "--log-format",
      options.log_format,
      "--log-level",
      options.log_level,
      "--run-id",
      options.run_id,
  };
  if (role == v1::ROLE_REPLAY) {
    command.insert(command.end(), {"--state", JoinPath(directory, kReplayDirectory)});
  } else if (role == v1::ROLE_LEARNER) {
    command.insert(command.end(), {"--out", directory});
  } else if (role == v1::ROLE_REWARD) {
    command.insert(command.end(), {"--state", JoinPath(directory, kRewardDirectory)});
  } else if (role == v1::ROLE_ACTOR) {
    command.insert(command.end(),
                   {"--state", JoinPath(JoinPath(directory, kActorsDirectory), name)});
  }
  if (options.ledgers && (role == v1::ROLE_LEARNER || role == v1::ROLE_ACTOR)) {
    command.insert(command.end(), {"--ledger", LedgerOf(directory, name)});
  }
  for (const std::string& flag : options.set) command.insert(command.end(), {"--set", flag});
  // Last, so that they win over what somebody else says about addresses.
  AddPeer(command, "replay", peers.replay);
  AddPeer(command, "reward", peers.reward);
  AddPeer(command, "learner", peers.learner);
  return command;
}

}  // namespace anabranch
