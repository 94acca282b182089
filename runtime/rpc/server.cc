#include "runtime/rpc/server.h"

#include <grpc/grpc.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_initializer.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <limits>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "runtime/rpc/call_observer.h"
#include "runtime/rpc/keepalive.h"
#include "runtime/rpc/server_state.h"
#include "runtime/socket_address.h"

namespace anabranch {
namespace {

// What gRPC needs before the first call: it keeps a few threads waiting for calls.
constexpr int kMinThreads = 8;
// Between looks at whether calls still run while the server stops.
constexpr absl::Duration kStopPoll = absl::Milliseconds(20);

// Tells which services a server has; gRPC shows them to plugins alone.
class ServiceNames final : public grpc::ServerBuilderPlugin {
 public:
  explicit ServiceNames(std::vector<std::string>& names) : names_(names) {}
  std::string name() override { return "anabranch_service_names"; }
  void InitServer(grpc::ServerInitializer*) override {}
  void Finish(grpc::ServerInitializer* server) override { names_ = *server->GetServiceList(); }
  void ChangeArguments(const std::string&, void*) override {}

 private:
  std::vector<std::string>& names_;
};

class WithServiceNames final : public grpc::ServerBuilderOption {
 public:
  explicit WithServiceNames(std::vector<std::string>& names) : names_(names) {}
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    plugins->push_back(std::make_unique<ServiceNames>(names_));
  }

 private:
  std::vector<std::string>& names_;
};

// gRPC has one switch for all servers of a process, and both are always wanted.
void EnableHealthAndReflection() {
  static const bool enabled = [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    return true;
  }();
  static_cast<void>(enabled);
}

void Limit(const RpcServerOptions& options, grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  builder.SetMaxSendMessageSize(static_cast<int>(options.max_message_bytes));
  grpc::ResourceQuota quota("anabranch");
  quota.SetMaxThreads(options.max_threads);
  builder.SetResourceQuota(quota);
  // With it, a second process would listen at the same port without a word and take half the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMilliseconds);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMilliseconds);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // No limit.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kPermittedPingMilliseconds);
}

// What is listened at. "localhost" is often two addresses, of which gRPC would be content with one.
absl::StatusOr<SocketAddress> ListenAddress(const std::string& listen) {
  absl::StatusOr<SocketAddress> address = ParseSocketAddress(listen);
  if (address.ok() && address->host == "localhost") address->host = "127.0.0.1";
  return address;
}

}  // namespace

absl::Status RpcServerOptions::Validate() const {
  const bool allowed = insecure || security.tls.has_value();
  if (absl::Status status = CheckAddress("listen", listen, allowed); !status.ok()) return status;
  if (max_message_bytes < 1 || max_message_bytes > std::numeric_limits<int>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_message_bytes is ", max_message_bytes, ", must be from 1 to 2147483647"));
  }
  if (max_threads < kMinThreads) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_threads is ", max_threads, ", must be at least ", kMinThreads));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(
    const RpcServerOptions& options, const std::vector<grpc::Service*>& services, Describe describe,
    Metrics& metrics, Log& log) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  auto credentials = MakeServerCredentials(options.security, metrics, log);
  if (!credentials.ok()) return credentials.status();
  EnableHealthAndReflection();
  auto state = std::make_unique<State>(std::move(describe), metrics, log);
  const absl::StatusOr<SocketAddress> address = ListenAddress(options.listen);
  grpc::ServerBuilder builder;
  Limit(options, builder);
  int port = 0;
  builder.AddListeningPort(address.ok() ? address->ToString() : options.listen, *credentials,
                           &port);
  for (grpc::Service* service : services) builder.RegisterService(service);
  builder.RegisterService(&state->status_service);
  builder.SetOption(std::make_unique<WithServiceNames>(state->service_names));
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(MakeCallInterceptors(state->calls));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  state->server = builder.BuildAndStart();
  if (state->server == nullptr) {
    if (address.ok()) return ExplainBindFailure("server", *address);
    return absl::UnavailableError(absl::StrCat("server: can't listen at ", options.listen,
                                               "; does its directory exist, and is it yours?"));
  }
  state->address = options.listen;
  if (address.ok()) {
    state->address = SocketAddress{address->host, static_cast<uint16_t>(port)}.ToString();
  }
  state->SetHealth(false);
  log.Info("listening",
           {{"address", state->address}, {"security", DescribeServerSecurity(options.security)}});
  return std::unique_ptr<RpcServer>(new RpcServer(std::move(state)));
}

RpcServer::RpcServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
RpcServer::~RpcServer() { Stop(absl::ZeroDuration()); }

const std::string& RpcServer::address() const { return state_->address; }

void RpcServer::SetServing() { state_->Become(v1::ROLE_STATE_SERVING, ""); }

void RpcServer::SetNotServing(v1::RoleState state, absl::string_view why) {
  state_->Become(state, why);
}

void RpcServer::Stop(absl::Duration grace) {
  absl::MutexLock lock(&state_->stop_mutex);
  if (state_->stopped) return;
  state_->stopped = true;
  state_->Become(v1::ROLE_STATE_DRAINING, "stopping");
  absl::Notification done;
  // Shutdown waits for every call, also for those that watch the server's health and would stay
  // until the grace is over; once nothing else runs, they are sent away.
  std::thread dismissal([&] {
    while (!done.WaitForNotificationWithTimeout(kStopPoll)) {
      if (state_->calls->None()) grpc_server_cancel_all_calls(state_->server->c_server());
    }
  });
  state_->server->Shutdown(absl::ToChronoTime(absl::Now() + grace));
  done.Notify();
  dismissal.join();
}

}  // namespace anabranch
