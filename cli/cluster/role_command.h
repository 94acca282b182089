// The command lines of a cluster's processes.
#ifndef ANABRANCH_CLI_CLUSTER_ROLE_COMMAND_H_
#define ANABRANCH_CLI_CLUSTER_ROLE_COMMAND_H_

#include <string>
#include <vector>

#include "anabranch/v1/status.pb.h"

namespace anabranch {

// What all processes of a cluster are told.
struct RoleCommandOptions {
  std::string binaries;          // Directory of anabranch-replay and so on.
  std::string config;            // Path of the configuration.
  std::vector<std::string> set;  // key=value over it.
  std::string directory;         // The run's.
  std::string run_id;
  std::string log_format = "text";
  std::string log_level = "info";
  bool ledgers = false;  // Each actor and the learner keep one, DIR/ledgers/NAME.jsonl.
};

inline constexpr char kLedgersDirectory[] = "ledgers";
inline constexpr char kRewardDirectory[] = "reward";  // Results, tickets, what is spent.
inline constexpr char kActorsDirectory[] = "actors";  // Below it each one's pending trajectories.
inline constexpr char kAnyPort[] = "127.0.0.1:0";

// Where the others listen, HOST:PORT; empty while not known.
struct PeerAddresses {
  std::string replay;
  std::string reward;
  std::string learner;
};

// "actor", "learner", "replay", "reward".
std::string RoleWord(v1::Role role);

// DIR/processes/NAME.json and DIR/logs/NAME.log.
std::string AddressFileOf(const std::string& directory, const std::string& name);
std::string LogFileOf(const std::string& directory, const std::string& name);

// The program's path first. `name` is the process's, `listen` HOST:PORT.
std::vector<std::string> RoleCommand(const RoleCommandOptions& options, v1::Role role,
                                     const std::string& name, const std::string& listen,
                                     const PeerAddresses& peers);

}  // namespace anabranch

#endif  // ANABRANCH_CLI_CLUSTER_ROLE_COMMAND_H_
