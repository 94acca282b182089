// A sample stream over a socket.
#ifndef ANABRANCH_RUNTIME_RPC_REMOTE_REPLAY_SAMPLE_H_
#define ANABRANCH_RUNTIME_RPC_REMOTE_REPLAY_SAMPLE_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/sync_stream.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "anabranch/v1/replay.grpc.pb.h"
#include "runtime/channels.h"
#include "runtime/rpc/client_leases.h"
#include "runtime/rpc/remote_clients.h"
#include "runtime/rpc/stream_life.h"

namespace anabranch {

// A thread reads ahead as far as prefetch_batches allow and opens the stream again when it breaks;
// another writes acknowledgements and credits, so that nobody who trains waits for a socket. The
// stub and the log outlive it.
class RemoteSampleStream final : public SampleStream {
 public:
  using Stream = grpc::ClientReaderWriter<v1::SampleRequest, v1::SampleResponse>;

  RemoteSampleStream(v1::ReplayService::Stub& stub, const v1::SampleOpening& opening,
                     const RemoteReplayOptions& options, uint64_t seed, Log& log);
  // Gives back what was not acknowledged, and waits for replay to have heard it, 2 s at most.
  ~RemoteSampleStream() override;

  // Blocks until the first opening has succeeded, or failed: then this is its error.
  absl::Status AwaitFirstTry();

  absl::StatusOr<v1::SampledBatch> Next() override;
  absl::StatusOr<std::optional<v1::SampledBatch>> TryNext() override;
  void Acknowledge(uint64_t lease_id) override;
  void Cancel() override;

 private:
  // The reading thread.
  void Run();
  absl::Status RunOneStream();
  absl::Status Open(Stream& stream);
  void Deliver(v1::SampledBatch batch);
  // The stream is over: nobody writes to it any more, and what was leased on it is forgotten.
  void StopWriting();

  // The writing thread.
  void Write();
  bool HasToWrite() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Writes all that there is to say, without the lock.
  void WriteAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  v1::SampledBatch Take() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  v1::ReplayService::Stub& stub_;
  const v1::SampleOpening opening_;
  const uint64_t prefetch_;
  StreamLife life_;

  absl::Mutex mu_;
  std::deque<v1::SampledBatch> fetched_ ABSL_GUARDED_BY(mu_);
  ClientLeases leases_ ABSL_GUARDED_BY(mu_);
  Stream* stream_ ABSL_GUARDED_BY(mu_) = nullptr;  // While it can be written to.
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t credits_due_ ABSL_GUARDED_BY(mu_) = 0;  // Not yet granted.
  uint64_t granted_ ABSL_GUARDED_BY(mu_) = 0;      // On this stream,
  uint64_t received_ ABSL_GUARDED_BY(mu_) = 0;     // and batches that came.
  uint64_t stream_id_ ABSL_GUARDED_BY(mu_) = 0;    // Of the newest opening.
  bool half_closed_ ABSL_GUARDED_BY(mu_) = false;
  bool tried_ ABSL_GUARDED_BY(mu_) = false;      // At least once,
  absl::Status first_try_ ABSL_GUARDED_BY(mu_);  // and how that went.
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  bool closing_ ABSL_GUARDED_BY(mu_) = false;  // The destructor runs.
  absl::Status over_ ABSL_GUARDED_BY(mu_);     // Why no more batches come; OK while they may.
  std::thread reader_;
  std::thread writer_;
};

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_REMOTE_REPLAY_SAMPLE_H_
