#include "runtime/rpc/weight_transfers.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/slice.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/error_reason.h"
#include "runtime/refusal.h"
#include "runtime/rpc/grpc_status.h"

namespace anabranch {
namespace {

class FinishedFetch final : public FetchReactor {
 public:
  explicit FinishedFetch(const absl::Status& status) { Finish(ToGrpcStatus(status)); }
  void OnDone() override { delete this; }
};

void ReleaseBlob(void* blob) { delete static_cast<SharedBlob*>(blob); }

}  // namespace

FetchReactor* RefuseFetch(const absl::Status& status) { return new FinishedFetch(status); }

grpc::ByteBuffer MakeFetchChunk(const SharedBlob& blob, size_t offset) {
  using google::protobuf::internal::WireFormatLite;
  const size_t size = std::min(kWeightChunkBytes, blob->size() - offset);
  v1::FetchResponse numbers;
  numbers.set_offset_bytes(offset);
  numbers.set_total_bytes(blob->size());
  std::string head = numbers.SerializeAsString();
  {
    google::protobuf::io::StringOutputStream stream(&head);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.WriteTag(WireFormatLite::MakeTag(v1::FetchResponse::kDataFieldNumber,
                                           WireFormatLite::WIRETYPE_LENGTH_DELIMITED));
    coded.WriteVarint32(static_cast<uint32_t>(size));
  }
  // gRPC takes the address as mutable, and only reads from it.
  char* data = const_cast<char*>(blob->data()) + offset;
  const grpc::Slice slices[] = {grpc::Slice(head),
                                grpc::Slice(data, size, ReleaseBlob, new SharedBlob(blob))};
  return grpc::ByteBuffer(slices, 2);
}

// Its reactions never overlap, and nothing else writes or finishes.
class WeightTransfers::Transfer final : public FetchReactor {
 public:
  Transfer(WeightTransfers& owner, grpc::CallbackServerContext* context, const SharedBlob& blob,
           size_t offset, uint64_t number)
      : number(number), context_(context), owner_(owner), blob_(blob), offset_(offset) {}

  void Begin() { WriteNext(); }
  void OnWriteDone(bool ok) override {
    if (ok) {
      WriteNext();
    } else {
      Finish(ToGrpcStatus(absl::CancelledError("the transfer was broken off")));
    }
  }
  void OnDone() override {
    owner_.Remove(this);
    delete this;
  }

  // While it is among its owner's: its pending write then fails.
  void BreakOff() { context_->TryCancel(); }
  const SharedBlob& blob() const { return blob_; }

  const uint64_t number;  // In the order in which they began.

 private:
  void WriteNext() {
    if (offset_ == blob_->size()) {
      Finish(grpc::Status::OK);
      return;
    }
    chunk_ = MakeFetchChunk(blob_, offset_);
    offset_ += std::min(kWeightChunkBytes, blob_->size() - offset_);
    StartWrite(&chunk_);
  }

  grpc::CallbackServerContext* const context_;
  WeightTransfers& owner_;
  const SharedBlob blob_;
  size_t offset_;
  grpc::ByteBuffer chunk_;
};

WeightTransfers::~WeightTransfers() = default;

FetchReactor* WeightTransfers::Add(grpc::CallbackServerContext* context, const SharedBlob& blob,
                                   uint64_t offset) {
  if (offset > blob->size()) {
    v1::Refusal refusal =
        Refuse(kReasonOutOfRange, "offset_bytes", std::nullopt,
               absl::StrCat("is ", offset, "; the blob has ", blob->size(), " bytes"));
    refusal.set_code(static_cast<int32_t>(absl::StatusCode::kOutOfRange));
    return RefuseFetch(RefusalStatus(refusal));
  }
  Transfer* transfer = nullptr;
  {
    absl::MutexLock lock(&mu_);
    transfer = new Transfer(*this, context, blob, offset, ++started_);
    transfers_.insert(transfer);
  }
  transfer->Begin();
  return transfer;
}

void WeightTransfers::BreakOffRetired(const WeightStore& store) {
  absl::MutexLock lock(&mu_);                          // Keeps the transfers from going away.
  std::map<const std::string*, uint64_t> last_reader;  // Of each retired blob.
  for (const Transfer* transfer : transfers_) {
    uint64_t& last = last_reader[transfer->blob().get()];
    last = std::max(last, transfer->number);
  }
  std::vector<std::pair<uint64_t, const std::string*>> retired;
  for (const auto& [blob, last] : last_reader) {
    if (!store.Holds(blob)) retired.emplace_back(last, blob);
  }
  if (retired.size() <= max_retired_blobs_) return;
  std::sort(retired.begin(), retired.end());
  retired.resize(retired.size() - max_retired_blobs_);
  for (const auto& [last, blob] : retired) {
    for (Transfer* transfer : transfers_) {
      if (transfer->blob().get() == blob) transfer->BreakOff();
    }
  }
}

int64_t WeightTransfers::count() const {
  absl::MutexLock lock(&mu_);
  return static_cast<int64_t>(transfers_.size());
}

void WeightTransfers::Remove(Transfer* transfer) {
  absl::MutexLock lock(&mu_);
  transfers_.erase(transfer);
}

}  // namespace anabranch
