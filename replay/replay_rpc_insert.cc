#include "replay/replay_rpc_insert.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/error_reason.h"
#include "runtime/refusal.h"

namespace anabranch {

absl::Status RpcInsertStream::Receive(v1::InsertRequest& request) {
  switch (request.message_case()) {
    case v1::InsertRequest::kOpening:
      if (opened_) {
        return absl::InvalidArgumentError(
            "opening: came a second time; a stream has one, as its first message");
      }
      opened_ = true;
      opening_ = std::move(*request.mutable_opening());
      return absl::OkStatus();
    case v1::InsertRequest::kBatch:
      if (!opened_) {
        return absl::InvalidArgumentError(
            "batch: came before the opening, which is a stream's first message");
      }
      return Enqueue(std::move(*request.mutable_batch()));
    case v1::InsertRequest::MESSAGE_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(
      "message: is empty; an opening comes first, then batches are expected");
}

absl::Status RpcInsertStream::Enqueue(v1::InsertBatch batch) {
  const uint64_t bytes = batch.ByteSizeLong();
  absl::MutexLock lock(&mu_);
  if (used_bytes_ + bytes > credit_bytes_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("batch: sequence ", batch.sequence(), " has ", bytes, " bytes where ",
                     credit_bytes_ - used_bytes_, " of ", credit_bytes_,
                     " are left; wait for acknowledgements, which give credit_bytes back"));
  }
  used_bytes_ += bytes;
  waiting_.push_back({std::move(batch), bytes});
  return absl::OkStatus();
}

absl::Status RpcInsertStream::Open() {
  absl::StatusOr<v1::InsertOpened> opened = service_.CheckInsertOpening(opening_);
  if (!opened.ok()) return opened.status();
  opened->set_credit_bytes(credit_bytes_);
  *response_.mutable_opened() = *std::move(opened);
  if (!StartWriting(&response_)) return absl::CancelledError("the client is gone");
  return absl::OkStatus();
}

bool RpcInsertStream::Next(Waiting& next, absl::Status& end) {
  absl::MutexLock lock(&mu_);
  const auto due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return !waiting_.empty() || reads_over_ || broken_ || !ended_.ok();
  };
  mu_.Await(absl::Condition(&due));
  end = broken_ ? absl::CancelledError("the client is gone") : ended_;
  if (waiting_.empty() || broken_ || !fault_.ok()) return false;
  next = std::move(waiting_.front());
  waiting_.pop_front();
  return true;
}

absl::Status RpcInsertStream::Work() {
  if (!opened_) {
    return absl::InvalidArgumentError("opening: is missing; it is a stream's first message");
  }
  if (absl::Status status = Open(); !status.ok()) return status;
  const uint64_t client = opening_.handshake().source().client_incarnation();
  Waiting next;
  absl::Status end;
  while (Next(next, end)) {
    auto answer = service_.Insert(client, std::move(next.batch), absl::InfiniteFuture(), &token_);
    if (!answer.ok()) return answer.status();
    {
      absl::MutexLock lock(&mu_);
      used_bytes_ -= next.bytes;
    }
    if (!AwaitWritten()) return absl::CancelledError("the client is gone");
    *response_.mutable_acknowledgement() = *std::move(answer);
    response_.mutable_acknowledgement()->set_credit_bytes(next.bytes);
    StartWriting(&response_);
  }
  return end;
}

}  // namespace anabranch
