// The one place where our statuses become gRPC's and the other way round.
#ifndef ANABRANCH_RUNTIME_RPC_GRPC_STATUS_H_
#define ANABRANCH_RUNTIME_RPC_GRPC_STATUS_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace anabranch {

// Code and message, and the reason as google.rpc.Status in the trailer grpc-status-details-bin.
grpc::Status ToGrpcStatus(const absl::Status& status);

// The reverse. Details that can't be read are left out. A message that was too large for gRPC comes
// back with reason MESSAGE_TOO_LARGE, a refusal by TokenCheck with NO_TOKEN or BAD_TOKEN, and a TLS
// handshake that failed with what to look at.
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_GRPC_STATUS_H_
