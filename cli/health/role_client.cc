#include "cli/health/role_client.h"

#include <grpcpp/client_context.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "anabranch/v1/replay.grpc.pb.h"
#include "anabranch/v1/status.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "runtime/config.h"
#include "runtime/file_system.h"
#include "runtime/rpc/grpc_status.h"

namespace anabranch {
namespace {

void SetTimeout(grpc::ClientContext& context, absl::Duration timeout) {
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
}

}  // namespace

absl::StatusOr<v1::ClusterConfig> ReadClusterConfig(
    const std::string& path, const std::map<std::string, std::string>& environment) {
  const auto config = LoadRunConfig(*PosixFileSystem(), path, ConfigOverrides{{}, environment});
  if (!config.ok()) return config.status();
  return config->cluster();
}

v1::Role RoleOf(absl::string_view word) {
  v1::Role role = v1::ROLE_UNSPECIFIED;
  v1::Role_Parse(absl::StrCat("ROLE_", absl::AsciiStrToUpper(word)), &role);
  return role;
}

v1::Role RoleAt(absl::string_view address, const v1::ClusterConfig& cluster) {
  if (address == cluster.replay_address()) return v1::ROLE_REPLAY;
  if (address == cluster.reward_address()) return v1::ROLE_REWARD;
  if (address == cluster.learner_address()) return v1::ROLE_LEARNER;
  return v1::ROLE_UNSPECIFIED;
}

ChannelOptions OptionsTo(v1::Role role, const v1::ClusterConfig& cluster, bool insecure) {
  ChannelOptions options;
  options.insecure = insecure;
  options.security = SecurityOf(role, cluster);
  return options;
}

absl::StatusOr<v1::GetStatusResponse> AskStatus(const std::shared_ptr<grpc::Channel>& channel,
                                                absl::Duration timeout) {
  grpc::ClientContext context;
  SetTimeout(context, timeout);
  v1::GetStatusResponse response;
  const grpc::Status status =
      v1::StatusService::NewStub(channel)->GetStatus(&context, v1::GetStatusRequest(), &response);
  if (!status.ok()) return FromGrpcStatus(status);
  return response;
}

absl::StatusOr<v1::GetInfoResponse> AskReplayInfo(const std::shared_ptr<grpc::Channel>& channel,
                                                  absl::Duration timeout) {
  grpc::ClientContext context;
  SetTimeout(context, timeout);
  v1::GetInfoResponse response;
  const grpc::Status status =
      v1::ReplayService::NewStub(channel)->GetInfo(&context, v1::GetInfoRequest(), &response);
  if (!status.ok()) return FromGrpcStatus(status);
  return response;
}

absl::StatusOr<std::string> AskHealth(const std::shared_ptr<grpc::Channel>& channel,
                                      const std::string& service, absl::Duration timeout) {
  grpc::ClientContext context;
  SetTimeout(context, timeout);
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  grpc::health::v1::HealthCheckResponse response;
  const grpc::Status status =
      grpc::health::v1::Health::NewStub(channel)->Check(&context, request, &response);
  if (!status.ok()) return FromGrpcStatus(status);
  switch (response.status()) {
    case grpc::health::v1::HealthCheckResponse::SERVING:
      return "SERVING";
    case grpc::health::v1::HealthCheckResponse::NOT_SERVING:
      return "NOT_SERVING";
    default:
      return "UNKNOWN";
  }
}

}  // namespace anabranch
