#include "cli/health/health_command.h"

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cli/health/role_client.h"
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
};

void Declare(CLI::App& app, Flags& flags) {
  app.add_option("address", flags.address, "HOST:PORT of the process")->required();
  app.add_option("--service", flags.service,
                 "A service, such as anabranch.v1.ReplayService, instead of the whole process");
  app.add_option("--timeout", flags.timeout_seconds, "Seconds to wait for the answer")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_flag("--insecure", flags.insecure, "Ask a process on another machine in plain text");
  app.footer(
      "Prints SERVING, NOT_SERVING, UNKNOWN or UNREACHABLE. Exit status: 0 for SERVING, 1 for\n"
      "anything else, 2 for wrong usage.\n"
      "Example: anabranch health 127.0.0.1:7401 --timeout 1");
}

int Probe(const Flags& flags, std::ostream& out, std::ostream& err) {
  ChannelOptions options;
  options.insecure = flags.insecure;
  auto channel = MakeChannel("address", flags.address, options);
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
