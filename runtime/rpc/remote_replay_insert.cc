#include "runtime/rpc/remote_replay_insert.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace anabranch {

RemoteInsertStream::~RemoteInsertStream() {
  if (stream_ == nullptr) return;
  stream_->WritesDone();
  Close().IgnoreError();
}

absl::Status RemoteInsertStream::Close() {
  const grpc::Status status = stream_->Finish();
  life_.Detach();
  stream_.reset();
  context_.reset();
  return StatusOfBrokenStream(status);
}

absl::Status RemoteInsertStream::Exchange(const v1::InsertRequest& request,
                                          v1::InsertResponse& response) {
  // A write that fails leaves its reason to Finish, and so does a read.
  if (stream_->Write(request) && stream_->Read(&response)) return absl::OkStatus();
  return Close();
}

absl::Status RemoteInsertStream::Open() {
  if (stream_ != nullptr) return absl::OkStatus();
  context_ = std::make_unique<grpc::ClientContext>();
  life_.Attach(context_.get());
  stream_ = stub_.Insert(context_.get());
  v1::InsertRequest request;
  *request.mutable_opening() = opening_;
  v1::InsertResponse response;
  if (absl::Status status = Exchange(request, response); !status.ok()) return status;
  if (!response.has_opened()) {
    context_->TryCancel();
    Close().IgnoreError();
    return absl::InternalError(
        "replay answered the opening of an insert stream with something else");
  }
  opened_ = std::move(*response.mutable_opened());
  return absl::OkStatus();
}

absl::StatusOr<v1::InsertAcknowledgement> RemoteInsertStream::Insert(v1::InsertBatch batch) {
  v1::InsertRequest request;
  *request.mutable_batch() = std::move(batch);
  v1::InsertResponse response;
  for (;;) {
    absl::Status status = Open();
    if (status.ok()) status = Exchange(request, response);
    if (status.ok()) break;
    status = life_.AwaitNextTry(std::move(status));
    if (!status.ok()) return status;
  }
  life_.Succeeded();
  if (response.acknowledgement().sequence() != request.batch().sequence()) {
    return absl::InternalError(absl::StrCat("replay acknowledged batch ",
                                            response.acknowledgement().sequence(), " instead of ",
                                            request.batch().sequence()));
  }
  return std::move(*response.mutable_acknowledgement());
}

}  // namespace anabranch
