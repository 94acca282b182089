// Blobs that come in pieces, verified while they come.
#ifndef ANABRANCH_RUNTIME_RPC_WEIGHT_ASSEMBLY_H_
#define ANABRANCH_RUNTIME_RPC_WEIGHT_ASSEMBLY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "anabranch/v1/weights.pb.h"
#include "runtime/rpc/weight_store.h"
#include "runtime/sha256.h"

namespace anabranch {

// One blob. Pieces are digested as they come, while they are in the cache. What is allocated up
// front is bounded, whatever size the blob claims. Not thread-safe.
class BlobAssembly {
 public:
  // `buffer` is what an earlier blob lay in, to be used again; its contents don't matter.
  explicit BlobAssembly(const v1::Blob& blob, std::string buffer = {});

  const v1::Blob& blob() const { return blob_; }
  // Bytes so far: where the next piece begins.
  uint64_t size() const { return bytes_.size(); }
  bool complete() const { return size() == blob_.size_bytes(); }

  // INVALID_ARGUMENT, naming offset_bytes or data, for a piece that is out of order or too large;
  // DATA_LOSS with reason CORRUPT for bytes beyond the end.
  absl::Status Append(uint64_t offset, absl::string_view data);
  // The bytes; DATA_LOSS with reason CORRUPT if their number or digest is not the blob's. Ends the
  // assembly.
  absl::StatusOr<std::string> Finish();
  // The buffer of an assembly that is given up, or whose Finish failed.
  std::string TakeBuffer() { return std::move(bytes_); }

 private:
  v1::Blob blob_;
  std::string bytes_;
  Sha256 sha256_;
};

// All blobs of a publication, one after another.
class SnapshotAssembly {
 public:
  explicit SnapshotAssembly(const v1::SnapshotManifest& manifest);

  // As BlobAssembly::Append; INVALID_ARGUMENT, naming sha256, for a blob that isn't the manifest's.
  absl::Status Add(const v1::BlobChunk& chunk);
  // In the manifest's order. What did not come is taken from `store`; DATA_LOSS with reason CORRUPT
  // if it isn't there either.
  absl::StatusOr<std::vector<SharedBlob>> Finish(const WeightStore& store);

 private:
  std::vector<BlobAssembly> assemblies_;
};

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_WEIGHT_ASSEMBLY_H_
