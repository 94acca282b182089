#include "runtime/rpc/server_state.h"

#include <grpcpp/health_check_service_interface.h>

#include <utility>

namespace anabranch {

RpcServer::State::State(Describe describe_role, Metrics& metrics, Log& role_log)
    : describe(std::move(describe_role)),
      log(role_log),
      started(std::chrono::steady_clock::now()),
      calls(std::make_shared<CallObserver>(metrics)) {}

grpc::Status RpcServer::State::StatusServiceImpl::GetStatus(grpc::ServerContext*,
                                                            const v1::GetStatusRequest*,
                                                            v1::GetStatusResponse* response) {
  if (state_.describe != nullptr) state_.describe(*response);
  response->set_uptime_seconds(
      std::chrono::duration<double>(std::chrono::steady_clock::now() - state_.started).count());
  absl::MutexLock lock(&state_.mutex);
  response->set_state(state_.role_state);
  response->set_state_reason(state_.reason);
  return grpc::Status::OK;
}

void RpcServer::State::Become(v1::RoleState next, absl::string_view why) {
  absl::MutexLock lock(&mutex);
  if (role_state == v1::ROLE_STATE_DRAINING && next != v1::ROLE_STATE_DRAINING) return;
  if (role_state == next && reason == why) return;
  role_state = next;
  reason = std::string(why);
  SetHealth(next == v1::ROLE_STATE_SERVING);
  log.Debug(v1::RoleState_Name(next), {{"reason", reason}});
}

void RpcServer::State::SetHealth(bool serving) {
  grpc::HealthCheckServiceInterface* health = server->GetHealthCheckService();
  health->SetServingStatus("", serving);
  for (const std::string& name : service_names) health->SetServingStatus(name, serving);
}

}  // namespace anabranch
