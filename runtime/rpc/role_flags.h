// The flags that all four processes take.
#ifndef ANABRANCH_RUNTIME_RPC_ROLE_FLAGS_H_
#define ANABRANCH_RUNTIME_RPC_ROLE_FLAGS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "anabranch/v1/config.pb.h"
#include "anabranch/v1/status.pb.h"
#include "runtime/file_system.h"
#include "runtime/log.h"

namespace CLI {
class App;
}  // namespace CLI

namespace anabranch {

struct RoleFlags {
  std::string config;
  std::vector<std::string> set;
  std::string listen;  // Empty: the role's address in `cluster.*`; an actor's is any free port.
  std::string metrics_listen = "127.0.0.1:0";
  std::string address_file;
  std::string name;
  std::string run_id;
  bool insecure = false;
  bool print_config = false;
  bool version = false;
  std::string log_format = "text";
  std::string log_level = "info";
};

// "actor", "learner", "replay", "reward".
std::string RoleName(v1::Role role);

// Binds the flags to `flags`, which outlives the app.
void DeclareRoleFlags(v1::Role role, CLI::App& app, RoleFlags& flags);

// INVALID_ARGUMENT names the flag.
absl::StatusOr<LogOptions> LogOptionsOf(v1::Role role, const RoleFlags& flags);

// Fills in what the flags leave to the configuration or to chance (listen, name), and checks the
// addresses that this role uses. INVALID_ARGUMENT names flag or key.
absl::Status CompleteRoleFlags(v1::Role role, const v1::RunConfig& config, uint64_t incarnation,
                               RoleFlags& flags);

// Replaces the file as a whole: a reader sees all of it or none. Errors name the path.
absl::Status WriteAddressFile(FileSystem& files, const std::string& path, v1::Role role,
                              const std::string& name, const std::string& grpc,
                              const std::string& metrics);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_ROLE_FLAGS_H_
