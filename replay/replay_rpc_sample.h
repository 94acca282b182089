// One sample stream of the replay service.
#ifndef ANABRANCH_REPLAY_REPLAY_RPC_SAMPLE_H_
#define ANABRANCH_REPLAY_REPLAY_RPC_SAMPLE_H_

#include <array>
#include <cstdint>

#include "absl/time/time.h"
#include "anabranch/v1/replay.pb.h"
#include "replay/replay_rpc_stream.h"
#include "replay/stream_leases.h"

namespace anabranch {

// Draws a batch for each credit, one ahead of the one that is being written. Leases of a stream
// that ends stay, as the contract says: a lost connection doesn't make a batch come twice that was
// trained on meanwhile. When the server drains, a stream draws nothing more but hears
// acknowledgements until it is ended.
class RpcSampleStream final : public WorkerStream<v1::SampleRequest, v1::SampleResponse> {
 public:
  RpcSampleStream(ReplayService& service, StreamSet& set, StreamLeases& leases,
                  absl::Duration lease_timeout)
      : WorkerStream(service, set), leases_(leases), lease_timeout_(lease_timeout) {}
  ~RpcSampleStream() override;

 protected:
  absl::Status Receive(v1::SampleRequest& request) override;
  absl::Status Work() override;
  bool EndsWithReads() const override { return true; }

 private:
  absl::Status ReceiveOpening(v1::SampleOpening& opening);
  void ReceiveDone(const v1::SampleAcknowledgement& done);
  absl::StatusOr<SampleSource> Open();
  // Blocks for a credit and takes it. False: the stream is over, and `end` says why.
  bool TakeCredit(absl::Status& end);
  absl::Status Send(v1::SampledBatch batch);
  // The worker's life as long as there is something to draw.
  absl::Status Draw(const SampleSource& source);
  bool closing();
  void AwaitEnd();

  StreamLeases& leases_;
  absl::Duration lease_timeout_;
  bool opened_ = false;  // As opening_: set by the first message, before the worker begins.
  v1::SampleOpening opening_;
  uint64_t credits_ ABSL_GUARDED_BY(mu_) = 0;
  bool closing_ ABSL_GUARDED_BY(mu_) = false;    // The client said so.
  uint64_t stream_ ABSL_GUARDED_BY(mu_) = 0;     // Number among leases_; 0 until it is open.
  std::array<v1::SampleResponse, 2> responses_;  // The worker's; one is being written.
  size_t next_response_ = 0;
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_REPLAY_RPC_SAMPLE_H_
