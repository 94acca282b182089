// The server's side of WeightsService.Fetch: blobs on their way to those who asked for them.
#ifndef ANABRANCH_RUNTIME_RPC_WEIGHT_TRANSFERS_H_
#define ANABRANCH_RUNTIME_RPC_WEIGHT_TRANSFERS_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "anabranch/v1/weights.pb.h"
#include "runtime/rpc/weight_store.h"

namespace anabranch {

// Largest `data` of a FetchResponse and of a BlobChunk.
inline constexpr size_t kWeightChunkBytes = size_t{1} << 20;

// Messages are serialised here, not by gRPC: the blob's bytes go from where they lie.
using FetchReactor = grpc::ServerWriteReactor<grpc::ByteBuffer>;

// The wire form of the FetchResponse for the chunk at `offset`, which is below the blob's size. Its
// data are the blob's own bytes, which live as long as the message does.
grpc::ByteBuffer MakeFetchChunk(const SharedBlob& blob, size_t offset);

// A transfer is a call without a thread and has one chunk on its way. It keeps its blob alive, also
// when newer snapshots have come; of blobs that are kept alive by transfers alone there are at most
// `max_retired_blobs`: transfers of the oldest are broken off, and their readers, which are far
// behind, get a newer snapshot instead. Thread-safe.
class WeightTransfers {
 public:
  explicit WeightTransfers(size_t max_retired_blobs) : max_retired_blobs_(max_retired_blobs) {}
  // The server is gone by now, and with it all calls.
  ~WeightTransfers();

  // Takes the call on: sends `blob` from `offset` on. OUT_OF_RANGE, naming offset_bytes, beyond the
  // end; at the end it ends without a message. The reactor deletes itself.
  FetchReactor* Add(grpc::CallbackServerContext* context, const SharedBlob& blob, uint64_t offset);
  // After a new snapshot: breaks off what is too far behind.
  void BreakOffRetired(const WeightStore& store);

  int64_t count() const;

 private:
  class Transfer;

  void Remove(Transfer* transfer);

  const size_t max_retired_blobs_;
  mutable absl::Mutex mu_;
  std::set<Transfer*> transfers_ ABSL_GUARDED_BY(mu_);
  uint64_t started_ ABSL_GUARDED_BY(mu_) = 0;
};

// A call that is over before it begins.
FetchReactor* RefuseFetch(const absl::Status& status);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_WEIGHT_TRANSFERS_H_
