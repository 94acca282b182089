#include "runtime/rpc/weight_client.h"

#include <grpcpp/support/sync_stream.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "runtime/rpc/grpc_status.h"
#include "runtime/rpc/weight_transfers.h"

namespace anabranch {
namespace {

using Writer = grpc::ClientWriterInterface<v1::PublishRequest>;

// False when the holder has ended the stream.
bool WriteBlob(const v1::Blob& blob, const std::string& bytes, Writer& writer) {
  v1::PublishRequest message;
  for (size_t offset = 0; offset < bytes.size(); offset += kWeightChunkBytes) {
    v1::BlobChunk& chunk = *message.mutable_chunk();
    chunk.set_sha256(blob.sha256());
    chunk.set_offset_bytes(offset);
    chunk.set_data(bytes.data() + offset, std::min(kWeightChunkBytes, bytes.size() - offset));
    if (!writer.Write(message)) return false;
  }
  return true;
}

}  // namespace

WeightWatch::WeightWatch(v1::WeightsService::StubInterface& stub, const v1::WatchRequest& request,
                         std::function<void()> wake)
    : request_(request), wake_(std::move(wake)) {
  stub.async()->Watch(&context_, &request_, this);
  StartRead(&response_);
  StartCall();
}

WeightWatch::~WeightWatch() {
  context_.TryCancel();
  done_.WaitForNotification();
}

bool WeightWatch::connected() const {
  absl::MutexLock lock(&mu_);
  return connected_ && !ended_.has_value();
}

std::optional<absl::Status> WeightWatch::ended() const {
  absl::MutexLock lock(&mu_);
  return ended_;
}

std::optional<v1::SnapshotManifest> WeightWatch::TakeNotice() {
  absl::MutexLock lock(&mu_);
  return std::exchange(notice_, std::nullopt);
}

void WeightWatch::OnReadInitialMetadataDone(bool ok) {
  if (!ok) return;
  {
    absl::MutexLock lock(&mu_);
    connected_ = true;
  }
  wake_();
}

void WeightWatch::OnReadDone(bool ok) {
  if (!ok) return;  // OnDone says why.
  {
    absl::MutexLock lock(&mu_);
    connected_ = true;  // The initial metadata's own event may come later.
    notice_ = std::move(*response_.mutable_manifest());
  }
  wake_();
  StartRead(&response_);
}

void WeightWatch::OnDone(const grpc::Status& status) {
  {
    absl::MutexLock lock(&mu_);
    ended_ = FromGrpcStatus(status);
  }
  wake_();
  done_.Notify();
}

absl::StatusOr<v1::PolicyVersion> PushSnapshot(v1::WeightsService::StubInterface& stub,
                                               grpc::ClientContext& context,
                                               const v1::Handshake& handshake,
                                               const HeldSnapshot& snapshot) {
  v1::PublishResponse response;
  const std::unique_ptr<Writer> writer = stub.Publish(&context, &response);
  v1::PublishRequest message;
  *message.mutable_opening()->mutable_handshake() = handshake;
  *message.mutable_opening()->mutable_manifest() = snapshot.manifest;
  bool open = writer->Write(message);
  for (size_t i = 0; open && i < snapshot.blobs.size(); ++i) {
    open = WriteBlob(snapshot.manifest.blobs(static_cast<int>(i)), *snapshot.blobs[i], *writer);
  }
  if (open) writer->WritesDone();
  const grpc::Status status = writer->Finish();
  if (!status.ok()) return FromGrpcStatus(status);
  return response.newest();
}

}  // namespace anabranch
