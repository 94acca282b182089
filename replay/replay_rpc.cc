#include "replay/replay_rpc.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "replay/replay_rpc_insert.h"
#include "replay/replay_rpc_sample.h"
#include "runtime/error_reason.h"
#include "runtime/rpc/grpc_status.h"

namespace anabranch {
namespace {

// A stream that ends before it has begun.
template <typename Request, typename Response>
class RefusedStream final : public grpc::ServerBidiReactor<Request, Response> {
 public:
  explicit RefusedStream(const absl::Status& why) { this->Finish(ToGrpcStatus(why)); }
  void OnDone() override { delete this; }
};

template <typename Request, typename Response>
grpc::ServerBidiReactor<Request, Response>* Begin(
    std::unique_ptr<WorkerStream<Request, Response>> stream, StreamSet& set) {
  if (!set.Add(stream.get())) {
    return new RefusedStream<Request, Response>(
        WithReason(absl::ResourceExhaustedError(absl::StrCat(
                       "this server has ", set.size(), " such streams already; try again later")),
                   kReasonOverloaded));
  }
  stream->Begin();
  return stream.release();
}

uint64_t IncarnationOf(ReplayService& service) {
  const auto info = service.GetInfo({});
  return info.ok() ? info->server_incarnation() : 0;
}

absl::Status Draining() {
  return WithReason(absl::UnavailableError("replay is draining; it will be back"), kReasonDraining);
}

}  // namespace

absl::Status ReplayRpcOptions::Validate() const {
  if (lease_timeout <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(absl::StrCat("replay.lease_timeout_seconds: is ",
                                                   absl::ToDoubleSeconds(lease_timeout),
                                                   "; it must be above 0"));
  }
  if (insert_credit_bytes == 0 || max_page_bytes == 0 || max_streams == 0) {
    return absl::InvalidArgumentError(
        "insert_credit_bytes, max_page_bytes and max_streams: must be above 0");
  }
  return absl::OkStatus();
}

ReplayRpc::ReplayRpc(ReplayService& service, const ReplayRpcOptions& options)
    : service_(service),
      options_(options),
      leases_(IncarnationOf(service)),
      inserts_(options.max_streams),
      samples_(options.max_streams),
      expiry_([this] {
        while (service_.AwaitExpiry(over_).ok()) service_.ReturnExpired(absl::Now());
      }) {}

ReplayRpc::~ReplayRpc() {
  service_.Cancel(over_);
  expiry_.join();
}

absl::Status ReplayRpc::Drain(absl::Time deadline) {
  service_.Close(Draining());
  inserts_.End(Draining());
  absl::Status status = service_.AwaitNoLeases(deadline);
  samples_.End(Draining());
  return status;
}

grpc::ServerBidiReactor<v1::InsertRequest, v1::InsertResponse>* ReplayRpc::Insert(
    grpc::CallbackServerContext*) {
  return Begin<v1::InsertRequest, v1::InsertResponse>(
      std::make_unique<RpcInsertStream>(service_, inserts_, options_.insert_credit_bytes),
      inserts_);
}

grpc::ServerBidiReactor<v1::SampleRequest, v1::SampleResponse>* ReplayRpc::Sample(
    grpc::CallbackServerContext*) {
  return Begin<v1::SampleRequest, v1::SampleResponse>(
      std::make_unique<RpcSampleStream>(service_, samples_, leases_, options_.lease_timeout),
      samples_);
}

absl::Status ReplayRpc::WritePages(v1::QueryObjectsRequest request,
                                   grpc::ServerWriter<v1::QueryObjectsResponse>& pages) {
  uint64_t wanted = request.limit() == 0 ? UINT64_MAX : request.limit();
  uint64_t page_size = ReplayService::kMaxPage;
  for (;;) {
    request.set_limit(std::min(wanted, page_size));
    absl::StatusOr<v1::QueryObjectsResponse> page = service_.QueryObjects(request);
    if (!page.ok()) return page.status();
    const uint64_t objects = page->objects().statuses_size();
    if (objects > 1 && page->ByteSizeLong() > options_.max_page_bytes) {
      page_size = objects / 2;
      continue;
    }
    wanted -= std::min(wanted, objects);
    // A client that stops reading keeps this thread waiting, and one page.
    if (!pages.Write(*page)) return absl::CancelledError("the client is gone");
    if (page->next_cursor().empty() || wanted == 0) return absl::OkStatus();
    request.set_cursor(page->next_cursor());
  }
}

grpc::Status ReplayRpc::QueryObjects(grpc::ServerContext*, const v1::QueryObjectsRequest* request,
                                     grpc::ServerWriter<v1::QueryObjectsResponse>* pages) {
  return ToGrpcStatus(WritePages(*request, *pages));
}

grpc::Status ReplayRpc::UpdatePriorities(grpc::ServerContext*,
                                         const v1::UpdatePrioritiesRequest* request,
                                         v1::UpdatePrioritiesResponse* response) {
  auto answer = service_.UpdatePriorities(*request);
  if (answer.ok()) *response = *std::move(answer);
  return ToGrpcStatus(answer.status());
}

grpc::Status ReplayRpc::GetInfo(grpc::ServerContext*, const v1::GetInfoRequest* request,
                                v1::GetInfoResponse* response) {
  auto answer = service_.GetInfo(*request);
  if (answer.ok()) *response = *std::move(answer);
  return ToGrpcStatus(answer.status());
}

}  // namespace anabranch
