#include "runtime/rpc/role_flags.h"

#include <unistd.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "runtime/rpc/channel.h"

namespace anabranch {
namespace {

constexpr char kOff[] = "off";

// The key of the role's own address; empty for an actor, which nobody looks for.
std::string AddressKey(v1::Role role) {
  return role == v1::ROLE_ACTOR ? "" : absl::StrCat("cluster.", RoleName(role), "_address");
}

std::string AddressOf(v1::Role role, const v1::ClusterConfig& cluster) {
  switch (role) {
    case v1::ROLE_REPLAY:
      return cluster.replay_address();
    case v1::ROLE_REWARD:
      return cluster.reward_address();
    case v1::ROLE_LEARNER:
      return cluster.learner_address();
    default:
      return "127.0.0.1:0";
  }
}

// Whom a role connects to.
std::vector<v1::Role> PeersOf(v1::Role role) {
  if (role == v1::ROLE_ACTOR) return {v1::ROLE_REPLAY, v1::ROLE_REWARD, v1::ROLE_LEARNER};
  if (role == v1::ROLE_LEARNER) return {v1::ROLE_REPLAY};
  return {};
}

absl::Status AtFlag(absl::string_view flag, const absl::Status& status) {
  return absl::InvalidArgumentError(absl::StrCat(flag, " ", status.message()));
}

}  // namespace

std::string RoleName(v1::Role role) {
  const std::string name = v1::Role_Name(role);
  return absl::AsciiStrToLower(absl::StripPrefix(name, "ROLE_"));
}

void DeclareRoleFlags(v1::Role role, CLI::App& app, RoleFlags& flags) {
  const std::string key = AddressKey(role);
  app.add_option("config", flags.config, "The run's configuration (YAML); the same for all roles");
  app.add_option("--set", flags.set, "key=value over the file, such as learner.max_steps=500")
      ->allow_extra_args(false);
  app.add_option("--listen", flags.listen,
                 absl::StrCat("HOST:PORT to serve at; port 0 takes a free one. Default: ",
                              key.empty() ? "127.0.0.1:0" : key));
  app.add_option("--metrics-listen", flags.metrics_listen,
                 "HOST:PORT for Prometheus' scrapes of /metrics, or off. Default: 127.0.0.1:0");
  app.add_option("--address-file", flags.address_file,
                 "File to write the addresses to once it listens, as JSON");
  app.add_option("--name", flags.name, "Name in logs and in `anabranch status`");
  app.add_option("--run-id", flags.run_id,
                 role == v1::ROLE_REPLAY
                     ? "Run to serve. Default: that of its state, else a fresh one"
                     : "Run to work for. Default: the one that replay serves");
  app.add_flag("--insecure", flags.insecure,
               "Allow addresses that other machines reach, though nothing is encrypted; with\n"
               "cluster.tls they are allowed anyway");
  app.add_option("--log-format", flags.log_format, "text or json. Default: text");
  app.add_option("--log-level", flags.log_level, "debug, info, warning or error. Default: info");
  app.add_flag("--print-config", flags.print_config, "Print the whole configuration and end");
  app.add_flag("--version", flags.version, "Print the version and end");
}

absl::StatusOr<LogOptions> LogOptionsOf(v1::Role role, const RoleFlags& flags) {
  const absl::StatusOr<LogFormat> format = ParseLogFormat(flags.log_format);
  if (!format.ok()) return AtFlag("--log-format", format.status());
  const absl::StatusOr<LogLevel> level = ParseLogLevel(flags.log_level);
  if (!level.ok()) return AtFlag("--log-level", level.status());
  LogOptions options;
  options.format = *format;
  options.level = *level;
  options.role = RoleName(role);
  options.name = flags.name;
  return options;
}

absl::Status CompleteRoleFlags(v1::Role role, const v1::RunConfig& config, uint64_t incarnation,
                               RoleFlags& flags) {
  std::string listen_from = "--listen";
  if (flags.listen.empty()) {
    flags.listen = AddressOf(role, config.cluster());
    if (!AddressKey(role).empty()) listen_from = AddressKey(role);
  }
  if (flags.name.empty()) {
    flags.name = RoleName(role);
    if (role == v1::ROLE_ACTOR) {
      absl::StrAppend(&flags.name, "-", absl::Hex(incarnation & 0xffff, absl::kZeroPad4));
    }
  }
  const bool allowed = flags.insecure || config.cluster().has_tls();
  absl::Status status = CheckAddress(listen_from, flags.listen, allowed);
  if (!status.ok()) return status;
  if (flags.metrics_listen == kOff) {
    flags.metrics_listen.clear();
  } else {
    // Read-only, and without secrets: it may be reached from elsewhere.
    status = CheckAddress("--metrics-listen", flags.metrics_listen, /*allowed=*/true);
    if (!status.ok()) return status;
  }
  for (const v1::Role peer : PeersOf(role)) {
    status = CheckAddress(AddressKey(peer), AddressOf(peer, config.cluster()), allowed);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status WriteAddressFile(FileSystem& files, const std::string& path, v1::Role role,
                              const std::string& name, const std::string& grpc,
                              const std::string& metrics) {
  const nlohmann::ordered_json content = {{"role", RoleName(role)},
                                          {"name", name},
                                          {"pid", getpid()},
                                          {"grpc", grpc},
                                          {"metrics", metrics}};
  const std::string draft = absl::StrCat(path, ".", getpid());
  const std::string text = absl::StrCat(
      content.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace), "\n");
  if (absl::Status status = files.Write(draft, text); !status.ok()) return status;
  return files.Rename(draft, path);
}

}  // namespace anabranch
