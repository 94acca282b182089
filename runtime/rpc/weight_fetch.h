// The client's side of WeightsService.Fetch.
#ifndef ANABRANCH_RUNTIME_RPC_WEIGHT_FETCH_H_
#define ANABRANCH_RUNTIME_RPC_WEIGHT_FETCH_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <memory>

#include "absl/status/status.h"
#include "anabranch/v1/weights.pb.h"
#include "runtime/rpc/weight_assembly.h"

namespace anabranch {

// Fetches what `assembly` lacks of its blob, from where it stands on, and adds it. Blocks; the
// context's deadline and TryCancel end it. What has come stays in the assembly whatever happens, so
// that another call goes on from there. Errors of the server (NOT_FOUND: the blob is gone), and of
// BlobAssembly::Append. OK doesn't mean complete: the server may have less than the manifest says.
//
// Messages are read where gRPC put them, instead of by the generated code, which would copy each
// once more: digest and copy take most of the time that a snapshot takes.
absl::Status FetchBlob(const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext& context,
                       const v1::Handshake& handshake, BlobAssembly& assembly);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_WEIGHT_FETCH_H_
