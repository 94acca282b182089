// DIR/cluster.json: which processes a cluster consists of and where they listen. The launcher
// writes it, `anabranch status DIR` and others read it.
#ifndef ANABRANCH_CLI_CLUSTER_CLUSTER_FILE_H_
#define ANABRANCH_CLI_CLUSTER_CLUSTER_FILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/file_system.h"

namespace anabranch {

// Names below a cluster's DIR.
inline constexpr char kClusterFile[] = "cluster.json";
inline constexpr char kProcessesDirectory[] = "processes";
inline constexpr char kLogsDirectory[] = "logs";
inline constexpr char kReplayDirectory[] = "replay";

// DIR/processes/config.yaml: the configuration that the cluster was last started with.
std::string ClusterConfigPath(const std::string& directory);

// Where a process listens. Each writes its own as JSON to --address-file.
struct RoleAddress {
  std::string role;  // "actor", "learner", "replay", "reward".
  std::string name;
  int64_t pid = 0;
  std::string grpc;     // HOST:PORT.
  std::string metrics;  // HOST:PORT; empty where there are none.
};

struct ClusterFile {
  std::string run_id;  // Fixed when the run is first started.
  int64_t launcher_pid = 0;
  std::vector<RoleAddress> processes;  // Empty once the cluster has ended in order.
};

// NOT_FOUND where there is none; DATA_LOSS names a file that is not what it must be.
absl::StatusOr<RoleAddress> ReadRoleAddress(const FileSystem& file_system, const std::string& path);
absl::StatusOr<ClusterFile> ReadClusterFile(const FileSystem& file_system, const std::string& path);

// Readers see the old file or the new one, never half of it.
absl::Status WriteClusterFile(FileSystem& file_system, const std::string& path,
                              const ClusterFile& cluster);

}  // namespace anabranch

#endif  // ANABRANCH_CLI_CLUSTER_CLUSTER_FILE_H_
