// The replay client over a socket; its streams are in files of their own.
#include <grpcpp/client_context.h>

#include <atomic>
#include <chrono>
#include <utility>

#include "absl/time/clock.h"
#include "anabranch/v1/replay.grpc.pb.h"
#include "runtime/retry.h"
#include "runtime/rpc/grpc_status.h"
#include "runtime/rpc/remote_clients.h"
#include "runtime/rpc/remote_replay_insert.h"
#include "runtime/rpc/remote_replay_sample.h"

namespace anabranch {
namespace {

class RemoteReplayClient final : public ReplayClient {
 public:
  RemoteReplayClient(std::shared_ptr<grpc::Channel> channel, const RemoteReplayOptions& options,
                     Log& log)
      : stub_(std::move(channel)), options_(options), log_(log), seed_(options.client.seed) {}

  absl::StatusOr<std::unique_ptr<InsertStream>> OpenInsert(
      const v1::InsertOpening& opening) override {
    auto stream =
        std::make_unique<RemoteInsertStream>(stub_, opening, options_.client, seed_++, log_);
    if (absl::Status status = stream->Open(); !status.ok() && !IsRetryable(status)) return status;
    return stream;
  }

  absl::StatusOr<std::unique_ptr<SampleStream>> OpenSample(
      const v1::SampleOpening& opening) override {
    auto stream = std::make_unique<RemoteSampleStream>(stub_, opening, options_, seed_++, log_);
    absl::Status status = stream->AwaitFirstTry();
    if (!status.ok() && !IsRetryable(status)) return status;
    return stream;
  }

  // The server streams pages until the limit; one is wanted.
  absl::StatusOr<v1::QueryObjectsResponse> QueryObjects(
      const v1::QueryObjectsRequest& request) override {
    grpc::ClientContext context;
    SetDeadline(context);
    const auto pages = stub_.QueryObjects(&context, request);
    v1::QueryObjectsResponse page;
    const bool got = pages->Read(&page);
    if (got) context.TryCancel();
    const grpc::Status status = pages->Finish();
    if (got) return page;
    if (status.ok()) return absl::InternalError("replay answered a query for objects with nothing");
    return FromGrpcStatus(status);
  }

  absl::StatusOr<v1::GetInfoResponse> GetInfo(const v1::GetInfoRequest& request) override {
    grpc::ClientContext context;
    SetDeadline(context);
    v1::GetInfoResponse response;
    const grpc::Status status = stub_.GetInfo(&context, request, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response;
  }

  absl::StatusOr<v1::UpdatePrioritiesResponse> UpdatePriorities(
      const v1::UpdatePrioritiesRequest& request) override {
    grpc::ClientContext context;
    SetDeadline(context);
    v1::UpdatePrioritiesResponse response;
    const grpc::Status status = stub_.UpdatePriorities(&context, request, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response;
  }

 private:
  void SetDeadline(grpc::ClientContext& context) const {
    context.set_deadline(absl::ToChronoTime(absl::Now() + options_.client.call_timeout));
  }

  v1::ReplayService::Stub stub_;
  const RemoteReplayOptions options_;
  Log& log_;
  std::atomic<uint64_t> seed_;  // Of the next stream's jitter.
};

}  // namespace

std::unique_ptr<ReplayClient> MakeRemoteReplayClient(std::shared_ptr<grpc::Channel> channel,
                                                     const RemoteReplayOptions& options, Log& log) {
  return std::make_unique<RemoteReplayClient>(std::move(channel), options, log);
}

}  // namespace anabranch
