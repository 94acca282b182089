#include "runtime/rpc/weight_assembly.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "runtime/error_reason.h"
#include "runtime/refusal.h"
#include "runtime/rpc/weight_transfers.h"

namespace anabranch {
namespace {

// A larger blob grows into its place: a claim alone allocates no more than this.
constexpr uint64_t kMaxReservedBytes = uint64_t{256} << 20;

absl::Status Malformed(absl::string_view reason, absl::string_view field, std::string message) {
  return RefusalStatus(Refuse(reason, field, std::nullopt, std::move(message)));
}

}  // namespace

BlobAssembly::BlobAssembly(const v1::Blob& blob, std::string buffer)
    : blob_(blob), bytes_(std::move(buffer)) {
  bytes_.clear();
}

absl::Status BlobAssembly::Append(uint64_t offset, absl::string_view data) {
  if (offset != size()) {
    return Malformed(kReasonOutOfRange, "offset_bytes",
                     absl::StrCat("is ", offset, "; the next piece of blob '", blob_.name(),
                                  "' begins at ", size()));
  }
  if (data.size() > kWeightChunkBytes) {
    return Malformed(
        kReasonTooLarge, "data",
        absl::StrCat("has ", data.size(), " bytes; a piece has at most ", kWeightChunkBytes));
  }
  if (data.size() > blob_.size_bytes() - size()) {
    return WithReason(
        absl::DataLossError(absl::StrCat("data: blob '", blob_.name(), "' goes on beyond the ",
                                         blob_.size_bytes(), " bytes that its manifest says")),
        kReasonCorrupt);
  }
  if (bytes_.empty()) bytes_.reserve(std::min(blob_.size_bytes(), kMaxReservedBytes));
  sha256_.Update(data);
  bytes_.append(data.data(), data.size());
  return absl::OkStatus();
}

absl::StatusOr<std::string> BlobAssembly::Finish() {
  if (absl::Status status = CheckBlob(blob_, size(), sha256_.Finish()); !status.ok()) return status;
  return std::move(bytes_);
}

SnapshotAssembly::SnapshotAssembly(const v1::SnapshotManifest& manifest) {
  for (const v1::Blob& blob : manifest.blobs()) assemblies_.emplace_back(blob);
}

absl::Status SnapshotAssembly::Add(const v1::BlobChunk& chunk) {
  for (BlobAssembly& assembly : assemblies_) {
    // Of blobs with the same bytes the first takes them.
    if (assembly.blob().sha256() == chunk.sha256()) {
      return assembly.Append(chunk.offset_bytes(), chunk.data());
    }
  }
  return Malformed(kReasonOutOfRange, "chunk.sha256",
                   absl::StrCat("is ", absl::BytesToHexString(chunk.sha256()),
                                ", which the manifest doesn't name"));
}

absl::StatusOr<std::vector<SharedBlob>> SnapshotAssembly::Finish(const WeightStore& store) {
  std::vector<SharedBlob> blobs;
  for (size_t i = 0; i < assemblies_.size(); ++i) {
    BlobAssembly& assembly = assemblies_[i];
    const std::string& sha256 = assembly.blob().sha256();
    size_t first = 0;
    while (assemblies_[first].blob().sha256() != sha256) ++first;
    if (first < i) {  // The same bytes under another name.
      absl::Status status = CheckBlob(assembly.blob(), blobs[first]->size(), sha256);
      if (!status.ok()) return status;
      blobs.push_back(blobs[first]);
      continue;
    }
    if (assembly.size() == 0 && assembly.blob().size_bytes() > 0) {
      if (auto held = store.Find(sha256); held.ok()) {
        absl::Status status = CheckBlob(assembly.blob(), (*held)->size(), sha256);
        if (!status.ok()) return status;
        blobs.push_back(*held);
        continue;
      }
    }
    auto bytes = assembly.Finish();
    if (!bytes.ok()) return bytes.status();
    blobs.push_back(std::make_shared<const std::string>(*std::move(bytes)));
  }
  return blobs;
}

}  // namespace anabranch
