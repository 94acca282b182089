#include "cli/cluster/cluster_file.h"

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace anabranch {
namespace {

using Json = nlohmann::ordered_json;

// Calls `convert` with the parsed file; the library reports by exceptions, which end here.
template <typename T>
absl::StatusOr<T> ReadJson(const FileSystem& file_system, const std::string& path,
                           T (*convert)(const Json&)) {
  auto text = file_system.Read(path);
  if (!text.ok()) return text.status();
  try {
    return convert(Json::parse(*text));
  } catch (const nlohmann::json::exception& error) {
    return absl::DataLossError(absl::StrCat(path, " is damaged: ", error.what()));
  }
}

RoleAddress ToAddress(const Json& json) {
  RoleAddress address;
  json.at("role").get_to(address.role);
  json.at("name").get_to(address.name);
  json.at("pid").get_to(address.pid);
  json.at("grpc").get_to(address.grpc);
  address.metrics = json.value("metrics", "");
  return address;
}

ClusterFile ToCluster(const Json& json) {
  ClusterFile cluster;
  json.at("run_id").get_to(cluster.run_id);
  json.at("launcher_pid").get_to(cluster.launcher_pid);
  for (const Json& process : json.at("processes")) cluster.processes.push_back(ToAddress(process));
  return cluster;
}

}  // namespace

std::string ClusterConfigPath(const std::string& directory) {
  return JoinPath(JoinPath(directory, kProcessesDirectory), "config.yaml");
}

absl::StatusOr<RoleAddress> ReadRoleAddress(const FileSystem& file_system,
                                            const std::string& path) {
  return ReadJson(file_system, path, ToAddress);
}

absl::StatusOr<ClusterFile> ReadClusterFile(const FileSystem& file_system,
                                            const std::string& path) {
  return ReadJson(file_system, path, ToCluster);
}

absl::Status WriteClusterFile(FileSystem& file_system, const std::string& path,
                              const ClusterFile& cluster) {
  Json json{{"run_id", cluster.run_id},
            {"launcher_pid", cluster.launcher_pid},
            {"processes", Json::array()}};
  for (const RoleAddress& process : cluster.processes) {
    json["processes"].push_back(Json{{"role", process.role},
                                     {"name", process.name},
                                     {"pid", process.pid},
                                     {"grpc", process.grpc},
                                     {"metrics", process.metrics}});
  }
  const std::string temporary = absl::StrCat(path, ".new");
  absl::Status status = file_system.WriteAndSync(temporary, json.dump(2) + "\n");
  if (status.ok()) status = file_system.Rename(temporary, path);
  return status;
}

}  // namespace anabranch
