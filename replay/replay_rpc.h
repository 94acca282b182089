// The replay server's face to the network: it only translates.
#ifndef ANABRANCH_REPLAY_REPLAY_RPC_H_
#define ANABRANCH_REPLAY_REPLAY_RPC_H_

#include <cstdint>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "anabranch/v1/replay.grpc.pb.h"
#include "replay/cancel_token.h"
#include "replay/replay_rpc_stream.h"
#include "replay/replay_service.h"
#include "replay/stream_leases.h"
#include "runtime/rpc/channel.h"

namespace anabranch {

struct ReplayRpcOptions {
  absl::Duration lease_timeout = absl::Seconds(30);  // Where an opening asks for none.
  // Batches of one insert stream that may wait. Not below the largest message, or a batch that gets
  // through might never have room.
  uint64_t insert_credit_bytes = kMaxMessageBytes;
  uint64_t max_page_bytes = kMaxMessageBytes / 2;  // Of QueryObjects.
  uint64_t max_streams = 512;                      // Of each kind; each has a thread.

  absl::Status Validate() const;
};

// Serves a ReplayService, which outlives it, and hands out again what was leased and not
// acknowledged in time. Streams beyond max_streams end with RESOURCE_EXHAUSTED, reason OVERLOADED.
// Register it with one server, and stop that before this goes. Thread-safe.
class ReplayRpc final
    : public v1::ReplayService::WithCallbackMethod_Insert<
          v1::ReplayService::WithCallbackMethod_Sample<v1::ReplayService::Service>> {
 public:
  ReplayRpc(ReplayService& service, const ReplayRpcOptions& options);
  ~ReplayRpc() override;

  // No insert and no sample begins any more: streams end with UNAVAILABLE, reason DRAINING. Blocks
  // until all leases are acknowledged or released, for which sample streams stay open; at the
  // deadline DEADLINE_EXCEEDED says how many are not. Either way all streams are ended then, and
  // the service may be saved.
  absl::Status Drain(absl::Time deadline);

  // Blocks until no stream is open; false at the deadline.
  bool AwaitNoStreams(absl::Time deadline) const {
    return inserts_.AwaitNone(deadline) && samples_.AwaitNone(deadline);
  }

  grpc::ServerBidiReactor<v1::InsertRequest, v1::InsertResponse>* Insert(
      grpc::CallbackServerContext* context) override;
  grpc::ServerBidiReactor<v1::SampleRequest, v1::SampleResponse>* Sample(
      grpc::CallbackServerContext* context) override;
  grpc::Status QueryObjects(grpc::ServerContext* context, const v1::QueryObjectsRequest* request,
                            grpc::ServerWriter<v1::QueryObjectsResponse>* pages) override;
  grpc::Status UpdatePriorities(grpc::ServerContext* context,
                                const v1::UpdatePrioritiesRequest* request,
                                v1::UpdatePrioritiesResponse* response) override;
  grpc::Status GetInfo(grpc::ServerContext* context, const v1::GetInfoRequest* request,
                       v1::GetInfoResponse* response) override;

 private:
  absl::Status WritePages(v1::QueryObjectsRequest request,
                          grpc::ServerWriter<v1::QueryObjectsResponse>& pages);

  ReplayService& service_;
  const ReplayRpcOptions options_;
  StreamLeases leases_;
  StreamSet inserts_;
  StreamSet samples_;
  CancelToken over_;
  std::thread expiry_;
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_REPLAY_RPC_H_
