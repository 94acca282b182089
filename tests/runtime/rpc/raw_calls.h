// Calls of gRPC's own services, whose messages nobody installs: raw bytes in and out.
#ifndef ANABRANCH_TESTS_RUNTIME_RPC_RAW_CALLS_H_
#define ANABRANCH_TESTS_RUNTIME_RPC_RAW_CALLS_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/impl/client_unary_call.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/sync_stream.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/rpc/grpc_status.h"

namespace anabranch {

inline grpc::ByteBuffer ToBuffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

inline std::string ToBytes(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  static_cast<void>(buffer.Dump(&slices));
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

// HealthCheckRequest{service}.
inline grpc::ByteBuffer HealthRequest(const std::string& service) {
  if (service.empty()) return ToBuffer("");
  return ToBuffer(std::string("\x0a") + static_cast<char>(service.size()) + service);
}

// The status in a HealthCheckResponse: 1 is SERVING, 2 NOT_SERVING.
inline int HealthOf(const grpc::ByteBuffer& response) {
  const std::string bytes = ToBytes(response);
  return bytes.size() == 2 && bytes[0] == 0x08 ? bytes[1] : 0;
}

inline absl::StatusOr<int> CheckHealth(const std::shared_ptr<grpc::Channel>& channel,
                                       const std::string& service) {
  grpc::ClientContext context;
  grpc::ByteBuffer response;
  const grpc::Status status =
      grpc::internal::BlockingUnaryCallImpl<grpc::ByteBuffer, grpc::ByteBuffer>(
          channel.get(),
          grpc::internal::RpcMethod("/grpc.health.v1.Health/Check",
                                    grpc::internal::RpcMethod::NORMAL_RPC, channel),
          &context, HealthRequest(service), &response)
          .status();
  if (!status.ok()) return FromGrpcStatus(status);
  return HealthOf(response);
}

inline std::unique_ptr<grpc::ClientReader<grpc::ByteBuffer>> WatchHealth(
    const std::shared_ptr<grpc::Channel>& channel, const std::string& service,
    grpc::ClientContext& context) {
  return std::unique_ptr<grpc::ClientReader<grpc::ByteBuffer>>(
      grpc::internal::ClientReaderFactory<grpc::ByteBuffer>::Create(
          channel.get(),
          grpc::internal::RpcMethod("/grpc.health.v1.Health/Watch",
                                    grpc::internal::RpcMethod::SERVER_STREAMING, channel),
          &context, HealthRequest(service)));
}

// The answer to a reflection request that asks for all services, with their names in it.
inline std::string ListServices(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  const std::unique_ptr<grpc::ClientReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>> stream(
      grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, grpc::ByteBuffer>::Create(
          channel.get(),
          grpc::internal::RpcMethod(
              "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
              grpc::internal::RpcMethod::BIDI_STREAMING, channel),
          &context));
  grpc::ByteBuffer response;
  // ServerReflectionRequest{list_services: "*"}.
  stream->Write(ToBuffer("\x3a\x01*"));
  stream->Read(&response);
  stream->WritesDone();
  static_cast<void>(stream->Finish());
  return ToBytes(response);
}

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_RUNTIME_RPC_RAW_CALLS_H_
