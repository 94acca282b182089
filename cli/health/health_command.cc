#include "cli/health/health_command.h"

#include <unistd.h>

#include <memory>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/health/role_client.h"
#include "runtime/config.h"
#include "runtime/rpc/channel.h"

namespace anabranch {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

struct Flags {
  std::string address;
  std::string service;
  double timeout_seconds = 2;
  bool insecure = false;
  std::string config;
  std::string server_name;
};

void Declare(CLI::App& app, Flags& flags) {
  app.add_option("address", flags.address, "HOST:PORT of the process")->required();
  app.add_option("--service", flags.service,
                 "A service, such as anabranch.v1.ReplayService, instead of the whole process");
  app.add_option("--timeout", flags.timeout_seconds, "Seconds to wait for the answer")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_flag("--insecure", flags.insecure, "Ask a process on another machine in plain text");
  app.add_option("--config", flags.config,
                 "The run's configuration, for its cluster.tls; no token is sent");
  app.add_option("--server-name", flags.server_name,
                 "Name that the process's certificate carries. Default: cluster.tls.server_name, "
                 "else the host of the address");
  app.footer(
      "Prints SERVING, NOT_SERVING, UNKNOWN or UNREACHABLE. Exit status: 0 for SERVING, 1 for\n"
      "anything else, 2 for wrong usage.\n"
      "Examples:\n"
      "  anabranch health 127.0.0.1:7401 --timeout 1\n"
      "  anabranch health 127.0.0.1:7401 --config run.yaml --server-name replay");
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> Dial(const Flags& flags) {
  v1::ClusterConfig cluster;
  if (!flags.config.empty()) {
    auto read = ReadClusterConfig(flags.config, AnabranchVariables(environ));
    if (!read.ok()) return read.status();
    cluster = *std::move(read);
  }
  if (!flags.server_name.empty()) {
    if (!cluster.has_tls()) {
      return absl::InvalidArgumentError(
          "--server-name is for processes with TLS; give a --config that has cluster.tls");
    }
    cluster.mutable_tls()->set_server_name(flags.server_name);
  }
  return MakeChannel("address", flags.address,
                     OptionsTo(v1::ROLE_UNSPECIFIED, cluster, flags.insecure));
}

int Probe(const Flags& flags, std::ostream& out, std::ostream& err) {
  auto channel = Dial(flags);
  if (!channel.ok()) {
    err << "anabranch health: " << channel.status().message() << std::endl;
    return kUsage;
  }
  auto health = AskHealth(*channel, flags.service, absl::Seconds(flags.timeout_seconds));
  if (health.ok()) {
    out << *health << std::endl;
    return *health == "SERVING" ? 0 : kFailed;
  }
  const bool unknown = absl::IsNotFound(health.status());
  out << (unknown ? "UNKNOWN" : "UNREACHABLE") << std::endl;
  err << "anabranch health: " << flags.address << ": "
      << (unknown ? "no service '" + flags.service + "' there" : health.status().ToString())
      << std::endl;
  return kFailed;
}

}  // namespace

int RunHealthCommand(const std::vector<std::string>& arguments, std::ostream& out,
                     std::ostream& err) {
  Flags flags;
  CLI::App app("Asks a process whether it serves (grpc.health.v1).", "anabranch health");
  Declare(app, flags);
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return app.exit(error, out, err) == 0 ? 0 : kUsage;
  }
  return Probe(flags, out, err);
}

}  // namespace anabranch
