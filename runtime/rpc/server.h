// What every role serves with: its own services, health, reflection, and how it is doing.
#ifndef ANABRANCH_RUNTIME_RPC_SERVER_H_
#define ANABRANCH_RUNTIME_RPC_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "anabranch/v1/status.pb.h"
#include "runtime/log.h"
#include "runtime/metrics.h"
#include "runtime/rpc/channel.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace anabranch {

struct RpcServerOptions {
  std::string listen;          // HOST:PORT; port 0 takes a free one.
  bool insecure = false;       // Plaintext off loopback.
  EdgeSecurity security = {};  // What clients must bring.
  int64_t max_message_bytes = kMaxMessageBytes;
  // Calls (of services that aren't asynchronous) beyond that are refused with RESOURCE_EXHAUSTED,
  // reason OVERLOADED. At least 8.
  int max_threads = 1024;

  absl::Status Validate() const;
};

// grpc.health.v1 (for "" and every service), reflection, StatusService, RPC seconds by method and
// code, and keepalive that tolerates our clients' pings. Thread-safe.
class RpcServer {
 public:
  // What GetStatus answers beyond state and uptime, which the server fills in. Called from any
  // thread; must not block for long. What it captures outlives the server.
  using Describe = std::function<void(v1::GetStatusResponse&)>;

  // UNAVAILABLE names an address that can't be bound and the remedy; INVALID_ARGUMENT as
  // CheckAddress and MakeServerCredentials. Health is NOT_SERVING until SetServing. Services,
  // metrics and log outlive it.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(
      const RpcServerOptions& options, const std::vector<grpc::Service*>& services,
      Describe describe, Metrics& metrics, Log& log);
  // As Stop(absl::ZeroDuration()).
  ~RpcServer();

  // HOST:PORT with the port in use.
  const std::string& address() const;
  // Does nothing once draining has begun.
  void SetServing();
  // NOT_SERVING, with the reason in GetStatus.
  void SetNotServing(v1::RoleState state, absl::string_view why);
  // NOT_SERVING, no new calls; waits for those that run until `grace` is over, then cancels them
  // and waits for their handlers, which must heed that.
  void Stop(absl::Duration grace);

 private:
  struct State;
  explicit RpcServer(std::unique_ptr<State> state);
  const std::unique_ptr<State> state_;
};

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_SERVER_H_
