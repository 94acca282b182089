// An insert stream over a socket.
#ifndef ANABRANCH_RUNTIME_RPC_REMOTE_REPLAY_INSERT_H_
#define ANABRANCH_RUNTIME_RPC_REMOTE_REPLAY_INSERT_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/sync_stream.h>

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "anabranch/v1/replay.grpc.pb.h"
#include "runtime/channels.h"
#include "runtime/rpc/remote_clients.h"
#include "runtime/rpc/stream_life.h"

namespace anabranch {

// One batch at a time: sent, and sent again on a new connection, until it is acknowledged. Cancel
// from any thread; the rest from one. The stub outlives it.
class RemoteInsertStream final : public InsertStream {
 public:
  RemoteInsertStream(v1::ReplayService::Stub& stub, const v1::InsertOpening& opening,
                     const RemoteClientOptions& options, uint64_t seed, Log& log)
      : stub_(stub),
        opening_(opening),
        life_("insert stream to replay", options.backoff, seed, log) {}
  ~RemoteInsertStream() override;

  // One try; nothing to do if it is open.
  absl::Status Open();

  // Of the newest opening; empty before the first that succeeds.
  const v1::InsertOpened& opened() const override { return opened_; }
  absl::StatusOr<v1::InsertAcknowledgement> Insert(v1::InsertBatch batch) override;
  void Cancel() override { life_.Cancel(); }

 private:
  // Sends a request and waits for its answer. On error the stream is closed.
  absl::Status Exchange(const v1::InsertRequest& request, v1::InsertResponse& response);
  absl::Status Close();

  v1::ReplayService::Stub& stub_;
  const v1::InsertOpening opening_;
  StreamLife life_;
  v1::InsertOpened opened_;
  std::unique_ptr<grpc::ClientContext> context_;  // These two are null while it is closed.
  std::unique_ptr<grpc::ClientReaderWriter<v1::InsertRequest, v1::InsertResponse>> stream_;
};

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_REMOTE_REPLAY_INSERT_H_
