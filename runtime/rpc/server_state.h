// The inside of RpcServer: what GetStatus answers, and what health says. For server*.cc.
#ifndef ANABRANCH_RUNTIME_RPC_SERVER_STATE_H_
#define ANABRANCH_RUNTIME_RPC_SERVER_STATE_H_

#include <grpcpp/server.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "anabranch/v1/status.grpc.pb.h"
#include "runtime/rpc/call_observer.h"
#include "runtime/rpc/server.h"

namespace anabranch {

// Thread-safe but for what Start sets.
struct RpcServer::State {
  State(Describe describe_role, Metrics& metrics, Log& role_log);

  class StatusServiceImpl final : public v1::StatusService::Service {
   public:
    explicit StatusServiceImpl(State& state) : state_(state) {}
    grpc::Status GetStatus(grpc::ServerContext* context, const v1::GetStatusRequest* request,
                           v1::GetStatusResponse* response) override;

   private:
    State& state_;
  };

  // Health and GetStatus change together. Once draining, nothing but draining follows.
  void Become(v1::RoleState next, absl::string_view why);
  void SetHealth(bool serving);

  const Describe describe;
  Log& log;
  const std::chrono::steady_clock::time_point started;
  const std::shared_ptr<CallObserver> calls;
  StatusServiceImpl status_service{*this};
  // Set by Start, constant from then on.
  std::string address;
  std::vector<std::string> service_names;
  // Stop takes this one and, within, `mutex`.
  absl::Mutex stop_mutex ABSL_ACQUIRED_BEFORE(mutex);
  bool stopped ABSL_GUARDED_BY(stop_mutex) = false;
  absl::Mutex mutex;
  v1::RoleState role_state ABSL_GUARDED_BY(mutex) = v1::ROLE_STATE_STARTING;
  std::string reason ABSL_GUARDED_BY(mutex);
  // Last, so that it goes first: its calls use all of the above.
  std::unique_ptr<grpc::Server> server;
};

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_SERVER_STATE_H_
