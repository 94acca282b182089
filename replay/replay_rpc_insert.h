// One insert stream of the replay service.
#ifndef ANABRANCH_REPLAY_REPLAY_RPC_INSERT_H_
#define ANABRANCH_REPLAY_REPLAY_RPC_INSERT_H_

#include <cstdint>
#include <deque>

#include "anabranch/v1/replay.pb.h"
#include "replay/replay_rpc_stream.h"

namespace anabranch {

// Batches wait here for their turn, as many bytes of them as the client has credit for. They are
// acknowledged in order, each once it is kept. A client that half-closes gets the acknowledgements
// of all that it has sent; one that goes away frees the worker at once, though it wait for pacing.
class RpcInsertStream final : public WorkerStream<v1::InsertRequest, v1::InsertResponse> {
 public:
  RpcInsertStream(ReplayService& service, StreamSet& set, uint64_t credit_bytes)
      : WorkerStream(service, set), credit_bytes_(credit_bytes) {}

 protected:
  absl::Status Receive(v1::InsertRequest& request) override;
  absl::Status Work() override;
  bool EndsWithReads() const override { return false; }

 private:
  struct Waiting {
    v1::InsertBatch batch;
    uint64_t bytes = 0;
  };
  absl::Status Open();
  absl::Status Enqueue(v1::InsertBatch batch);
  // Blocks for the next batch. False: there is none, and `end` says why.
  bool Next(Waiting& next, absl::Status& end);

  const uint64_t credit_bytes_;
  bool opened_ = false;  // As opening_: set by the first message, before the worker begins.
  v1::InsertOpening opening_;
  std::deque<Waiting> waiting_ ABSL_GUARDED_BY(mu_);
  uint64_t used_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  v1::InsertResponse response_;  // The worker's.
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_REPLAY_RPC_INSERT_H_
