#include "runtime/rpc/weight_fetch.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "anabranch/v1/weights.grpc.pb.h"
#include "runtime/error_reason.h"
#include "runtime/rpc/grpc_status.h"
#include "runtime/rpc/weight_transfers.h"

namespace anabranch {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

absl::Status Unreadable() {
  return WithReason(absl::DataLossError("a message of the holder is no FetchResponse"),
                    kReasonCorrupt);
}

// The next `size` bytes, piece by piece as they lie.
absl::Status AppendData(CodedInputStream& input, uint32_t size, uint64_t offset,
                        BlobAssembly& assembly) {
  while (size > 0) {
    const void* data = nullptr;
    int available = 0;
    if (!input.GetDirectBufferPointer(&data, &available)) return Unreadable();
    const uint32_t taken = std::min(size, static_cast<uint32_t>(available));
    absl::Status status =
        assembly.Append(offset, absl::string_view(static_cast<const char*>(data), taken));
    if (!status.ok()) return status;
    input.Skip(static_cast<int>(taken));
    offset += taken;
    size -= taken;
  }
  return absl::OkStatus();
}

// Walks over a FetchResponse. Without an assembly it only looks for the offset, which may stand
// behind the data.
absl::Status Walk(grpc::ByteBuffer& message, uint64_t* offset, BlobAssembly* assembly) {
  grpc::ProtoBufferReader bytes(&message);
  CodedInputStream input(&bytes);
  constexpr uint32_t kOffsetTag = WireFormatLite::MakeTag(
      v1::FetchResponse::kOffsetBytesFieldNumber, WireFormatLite::WIRETYPE_VARINT);
  constexpr uint32_t kDataTag = WireFormatLite::MakeTag(v1::FetchResponse::kDataFieldNumber,
                                                        WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  while (const uint32_t tag = input.ReadTag()) {
    uint32_t size = 0;
    if (tag == kOffsetTag) {
      if (!input.ReadVarint64(reinterpret_cast<google::protobuf::uint64*>(offset))) {
        return Unreadable();
      }
    } else if (tag == kDataTag && assembly != nullptr) {
      if (!input.ReadVarint32(&size) || size > kWeightChunkBytes) return Unreadable();
      if (absl::Status s = AppendData(input, size, *offset, *assembly); !s.ok()) return s;
    } else if (!WireFormatLite::SkipField(&input, tag)) {
      return Unreadable();
    }
  }
  return input.ConsumedEntireMessage() ? absl::OkStatus() : Unreadable();
}

absl::Status AppendMessage(grpc::ByteBuffer& message, BlobAssembly& assembly) {
  uint64_t offset = 0;
  if (absl::Status status = Walk(message, &offset, nullptr); !status.ok()) return status;
  return Walk(message, &offset, &assembly);
}

// A call whose every step is waited for, in this thread.
class Call {
 public:
  Call(const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext& context,
       const v1::FetchRequest& request)
      : stub_(channel),
        stream_(stub_.PrepareCall(
            &context, absl::StrCat("/", v1::WeightsService::service_full_name(), "/Fetch"),
            &queue_)) {
    stream_->StartCall(this);
    if (!Wait()) return;
    const grpc::Slice bytes(request.SerializeAsString());
    stream_->WriteLast(grpc::ByteBuffer(&bytes, 1), {}, this);
    open_ = Wait();
  }
  ~Call() {
    queue_.Shutdown();
    while (Wait()) {
    }
  }

  // Whether there is anything to read.
  bool open() const { return open_; }
  void StartRead(grpc::ByteBuffer* message) { stream_->Read(message, this); }
  // Ends the read that was started; false at the end of the stream.
  bool Wait() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }
  absl::Status Finish() {
    grpc::Status status;
    stream_->Finish(&status, this);
    Wait();
    return FromGrpcStatus(status);
  }

 private:
  grpc::CompletionQueue queue_;
  grpc::GenericStub stub_;
  const std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  bool open_ = false;
};

}  // namespace

absl::Status FetchBlob(const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext& context,
                       const v1::Handshake& handshake, BlobAssembly& assembly) {
  v1::FetchRequest request;
  *request.mutable_handshake() = handshake;
  request.set_sha256(assembly.blob().sha256());
  request.set_offset_bytes(assembly.size());
  Call call(channel, context, request);
  if (!call.open()) return call.Finish();
  absl::Status bad;
  grpc::ByteBuffer messages[2];
  int at = 0;
  call.StartRead(&messages[at]);
  while (call.Wait()) {
    call.StartRead(&messages[1 - at]);  // Comes while this one is digested.
    if (bad.ok()) bad = AppendMessage(messages[at], assembly);
    if (!bad.ok()) context.TryCancel();
    messages[at].Clear();
    at = 1 - at;
  }
  const absl::Status status = call.Finish();
  return bad.ok() ? status : bad;
}

}  // namespace anabranch
