// gRPC's own log, of which a process has one.
#ifndef ANABRANCH_RUNTIME_RPC_GRPC_LOG_H_
#define ANABRANCH_RUNTIME_RPC_GRPC_LOG_H_

#include "runtime/log.h"
#include "runtime/metrics.h"

namespace anabranch {

// Whether somebody wants gRPC's lines as they are: GRPC_VERBOSITY is set.
bool GrpcLogIsWanted();

// gRPC's own lines would stand beside ours without time or role. What matters comes back as a
// status. Does nothing where GrpcLogIsWanted.
void QuietGrpc();

// What comes back as no status: a TLS handshake that failed on the serving side. While this lives,
// such failures are lines of `log`, each cause at most once a minute, and counted in
// anabranch_tls_handshake_failures_total; a client's own count too. gRPC tells no address. One at a
// time in a process (it is gRPC that has only one log); none where GrpcLogIsWanted.
class HandshakeWatch {
 public:
  // Both outlive it.
  HandshakeWatch(Metrics& metrics, Log& log);
  ~HandshakeWatch();
  HandshakeWatch(const HandshakeWatch&) = delete;
  HandshakeWatch& operator=(const HandshakeWatch&) = delete;
};

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_GRPC_LOG_H_
