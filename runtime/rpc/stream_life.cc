#include "runtime/rpc/stream_life.h"

#include "absl/strings/str_cat.h"
#include "runtime/rpc/grpc_status.h"

namespace anabranch {

void StreamLife::Attach(grpc::ClientContext* context) {
  absl::MutexLock lock(&mu_);
  context_ = context;
  if (cancelled_) context->TryCancel();
}

void StreamLife::Detach() {
  absl::MutexLock lock(&mu_);
  context_ = nullptr;
}

absl::Status StreamLife::AwaitNextTry(absl::Status status) {
  if (cancelled()) return absl::CancelledError(absl::StrCat(name_, ": cancelled"));
  if (!IsRetryable(status)) return status;
  const bool first = backoff_.tries() == 0;
  const absl::Duration delay = backoff_.Next();
  if (first) {
    log_.Warning(
        absl::StrCat(name_, " broke: ", status.message(), "; trying again until it is back"));
  } else {
    log_.Debug(absl::StrCat(name_, ": ", status.message(), "; trying again in ",
                            absl::FormatDuration(delay)));
  }
  absl::MutexLock lock(&mu_);
  if (mu_.AwaitWithTimeout(absl::Condition(&cancelled_), delay)) {
    return absl::CancelledError(absl::StrCat(name_, ": cancelled"));
  }
  return absl::OkStatus();
}

void StreamLife::Succeeded() {
  if (backoff_.tries() == 0) return;
  log_.Info(absl::StrCat(name_, " is back after ", backoff_.tries(),
                         backoff_.tries() == 1 ? " try" : " tries"));
  backoff_.Reset();
}

void StreamLife::Cancel() {
  absl::MutexLock lock(&mu_);
  cancelled_ = true;
  if (context_ != nullptr) context_->TryCancel();
}

bool StreamLife::cancelled() const {
  absl::MutexLock lock(&mu_);
  return cancelled_;
}

absl::Status StatusOfBrokenStream(const grpc::Status& status) {
  if (status.ok()) return absl::UnavailableError("the server ended the stream");
  if (status.error_code() == grpc::StatusCode::CANCELLED) {
    return absl::UnavailableError(
        absl::StrCat("the server cancelled the stream: ", status.error_message()));
  }
  return FromGrpcStatus(status);
}

}  // namespace anabranch
