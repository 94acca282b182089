#include "cli/check_oracle/check_oracle_command.h"

#include "CLI/CLI.hpp"
#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "cli/check_oracle/check_oracle.h"
#include "cli/check_oracle/sample_objects.h"
#include "cli/health/role_client.h"
#include "runtime/rpc/channel.h"
#include "runtime/rpc/remote_reward.h"

namespace anabranch {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;
constexpr absl::Duration kHasty = absl::Milliseconds(1);

struct Flags {
  std::string address;
  std::string objects;
  std::string format;
  double timeout_seconds = 60;
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::string server_name;
  std::string token_file;
  bool insecure = false;
  bool no_throughput = false;
  bool json = false;
};

void Declare(CLI::App& app, Flags& flags) {
  app.add_option("address", flags.address, "HOST:PORT of the oracle")->required();
  app.add_option("--objects", flags.objects,
                 "File with objects that it can score, one a line; default: samples of the format");
  app.add_option("--format", flags.format,
                 "Format of the objects; default: the first that the oracle accepts");
  app.add_option("--timeout", flags.timeout_seconds, "Seconds to wait for each answer")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  auto* ca = app.add_option("--ca-file", flags.ca_file,
                            "TLS: authorities that the oracle's certificate must be signed by");
  auto* certificate =
      app.add_option("--certificate-file", flags.certificate_file, "mTLS: our certificate chain");
  auto* key = app.add_option("--key-file", flags.key_file, "mTLS: private key of it");
  certificate->needs(key)->needs(ca);
  key->needs(certificate);
  app.add_option("--server-name", flags.server_name,
                 "TLS: name in its certificate, if not the host of the address")
      ->needs(ca);
  app.add_option("--token-file", flags.token_file, "File with the bearer token that opens it")
      ->needs(ca);
  app.add_flag("--insecure", flags.insecure, "Ask an oracle on another machine in plain text");
  app.add_flag("--no-throughput", flags.no_throughput, "Leave the measurement of speed out");
  app.add_flag("--json", flags.json, "Print one JSON document");
  app.footer(
      "Asks for some hundred evaluations, and for many more where it measures the speed (not of "
      "an\n"
      "oracle that tells a cost). One line for each check: PASS, FAIL, WARN or SKIP, with what to "
      "do.\n"
      "Exit status: 0 if nothing failed, 1 if something did, 2 for wrong usage.\n"
      "Example: anabranch check-oracle 127.0.0.1:7500 --objects molecules.smi");
}

ChannelOptions ChannelOptionsOf(const Flags& flags) {
  ChannelOptions options;
  options.insecure = flags.insecure;
  options.security.token_file = flags.token_file;
  if (flags.ca_file.empty()) return options;
  v1::TlsConfig& tls = options.security.tls.emplace();
  tls.set_ca_file(flags.ca_file);
  if (!flags.certificate_file.empty()) tls.set_certificate_file(flags.certificate_file);
  if (!flags.key_file.empty()) tls.set_key_file(flags.key_file);
  if (!flags.server_name.empty()) tls.set_server_name(flags.server_name);
  return options;
}

int Check(const Flags& flags, std::ostream& out, std::ostream& err) {
  const auto refuse = [&](const absl::Status& status) {
    err << "anabranch check-oracle: " << status.message() << std::endl;
    return kUsage;
  };
  const auto channel = MakeChannel("address", flags.address, ChannelOptionsOf(flags));
  if (!channel.ok()) return refuse(channel.status());
  CheckOracleOptions options;
  options.address = flags.address;
  options.format = flags.format;
  options.throughput = !flags.no_throughput;
  absl::BitGen random;
  options.salt = absl::StrCat(absl::Hex(absl::Uniform<uint64_t>(random)));
  if (!flags.objects.empty()) {
    auto objects = ReadObjects(flags.objects);
    if (!objects.ok()) return refuse(objects.status());
    options.objects = *std::move(objects);
  }
  const absl::Duration timeout = absl::Seconds(flags.timeout_seconds);
  RemoteClientOptions patience;
  patience.call_timeout = timeout;
  RemoteReward oracle(*channel, patience);
  patience.call_timeout = kHasty;
  RemoteReward hasty(*channel, patience);
  const OracleReport report = CheckOracle(options, oracle, hasty, [&](const std::string& service) {
    return AskHealth(*channel, service, timeout);
  });
  flags.json ? WriteReportJson(report, out) : WriteReportText(report, out);
  return report.Count(Verdict::kFail) == 0 ? 0 : kFailed;
}

}  // namespace

int RunCheckOracleCommand(const std::vector<std::string>& arguments, std::ostream& out,
                          std::ostream& err) {
  Flags flags;
  CLI::App app("Checks whether an oracle keeps the reward contract, like a test suite.",
               "anabranch check-oracle");
  Declare(app, flags);
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return app.exit(error, out, err) == 0 ? 0 : kUsage;
  }
  return Check(flags, out, err);
}

}  // namespace anabranch
