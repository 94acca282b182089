#include "runtime/rpc/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/support/channel_arguments.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "runtime/rpc/keepalive.h"
#include "runtime/socket_address.h"

namespace anabranch {
namespace {

constexpr absl::string_view kUnix = "unix:";
constexpr int kFirstReconnectMilliseconds = 100;
constexpr int kLastReconnectMilliseconds = 2000;
// How long one attempt to connect may take; a peer on a busy machine needs more than a reconnect's
// shortest wait.
constexpr int kConnectMilliseconds = 5000;

// The empty name asks for the health of the server as a whole; a server without health is healthy.
constexpr char kBalanced[] = R"({
  "loadBalancingConfig": [{"round_robin": {}}],
  "healthCheckConfig": {"serviceName": ""}
})";

grpc::ChannelArguments Arguments(const ChannelOptions& options) {
  grpc::ChannelArguments arguments;
  const int max_bytes = static_cast<int>(options.max_message_bytes);
  arguments.SetMaxReceiveMessageSize(max_bytes);
  arguments.SetMaxSendMessageSize(max_bytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMilliseconds);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMilliseconds);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // No limit.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnectMilliseconds);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kLastReconnectMilliseconds);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectMilliseconds);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // The peers of a cluster are reached directly, whatever proxy the machine has for the web.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  const auto& tls = options.security.tls;
  if (tls.has_value() && !tls->server_name().empty()) {
    arguments.SetSslTargetNameOverride(tls->server_name());
  }
  if (options.balanced) arguments.SetServiceConfigJSON(kBalanced);
  return arguments;
}

}  // namespace

bool IsLoopback(absl::string_view address) {
  if (absl::StartsWith(address, kUnix)) return true;
  const absl::StatusOr<SocketAddress> parsed = ParseSocketAddress(address);
  return parsed.ok() && IsLoopbackHost(parsed->host);
}

absl::Status CheckAddress(absl::string_view what, absl::string_view address, bool allowed) {
  if (absl::string_view path = address; absl::ConsumePrefix(&path, kUnix)) {
    if (!path.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(what, " is \"", address, "\", which names no socket; write unix:PATH"));
  }
  const absl::StatusOr<SocketAddress> parsed = ParseSocketAddress(address);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(what, " ", parsed.status().message()));
  }
  if (allowed || IsLoopbackHost(parsed->host)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " is \"", address,
                   "\", which other machines reach, and nothing would be encrypted; secure it with "
                   "tls (docs/security.md), use an address of 127.0.0.1 or, in a network where all "
                   "may read and write, give --insecure"));
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(absl::string_view what,
                                                           const std::string& address,
                                                           const ChannelOptions& options) {
  const bool allowed = options.insecure || options.security.tls.has_value();
  if (absl::Status status = CheckAddress(what, address, allowed); !status.ok()) return status;
  auto credentials = MakeChannelCredentials(options.security, *options.log);
  if (!credentials.ok()) return credentials.status();
  return grpc::CreateCustomChannel(address, *credentials, Arguments(options));
}

}  // namespace anabranch
