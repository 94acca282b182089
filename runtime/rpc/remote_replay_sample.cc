#include "runtime/rpc/remote_replay_sample.h"

#include <algorithm>
#include <utility>

namespace anabranch {
namespace {

constexpr absl::Duration kCloseTimeout = absl::Seconds(2);

}  // namespace

RemoteSampleStream::RemoteSampleStream(v1::ReplayService::Stub& stub,
                                       const v1::SampleOpening& opening,
                                       const RemoteReplayOptions& options, uint64_t seed, Log& log)
    : stub_(stub),
      opening_(opening),
      prefetch_(std::max<uint64_t>(1, options.prefetch_batches)),
      life_("sample stream from replay", options.client.backoff, seed, log),
      reader_([this] { Run(); }),
      writer_([this] { Write(); }) {}

RemoteSampleStream::~RemoteSampleStream() {
  {
    absl::MutexLock lock(&mu_);
    closing_ = true;
    for (const v1::SampledBatch& batch : fetched_) leases_.Release(batch.lease_id());
    fetched_.clear();
    leases_.ReleaseTaken();
    const auto over = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return !over_.ok(); };
    if (stream_ != nullptr) mu_.AwaitWithTimeout(absl::Condition(&over), kCloseTimeout);
  }
  life_.Cancel();
  reader_.join();
  writer_.join();
}

absl::Status RemoteSampleStream::AwaitFirstTry() {
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(&tried_));
  return first_try_;
}

void RemoteSampleStream::Run() {
  absl::Status status;
  while (status.ok()) {
    status = RunOneStream();
    {
      absl::MutexLock lock(&mu_);
      if (!std::exchange(tried_, true)) first_try_ = status;
      if (closing_) status = absl::CancelledError("the stream is closed");
    }
    if (status.code() != absl::StatusCode::kCancelled) status = life_.AwaitNextTry(status);
  }
  absl::MutexLock lock(&mu_);
  over_ = std::move(status);
}

absl::Status RemoteSampleStream::RunOneStream() {
  grpc::ClientContext context;
  life_.Attach(&context);
  const std::unique_ptr<Stream> stream = stub_.Sample(&context);
  absl::Status status = Open(*stream);
  v1::SampleResponse response;
  while (status.ok() && stream->Read(&response)) {
    if (!response.has_batch()) {
      status = absl::InternalError("replay sent something else than a batch on a sample stream");
      break;
    }
    life_.Succeeded();
    Deliver(std::move(*response.mutable_batch()));
  }
  StopWriting();
  if (absl::IsInternal(status)) context.TryCancel();
  const grpc::Status end = stream->Finish();
  life_.Detach();
  return absl::IsInternal(status) ? status : StatusOfBrokenStream(end);
}

absl::Status RemoteSampleStream::Open(Stream& stream) {
  v1::SampleRequest request;
  *request.mutable_opening() = opening_;
  {
    absl::MutexLock lock(&mu_);
    credits_due_ = 0;
    received_ = 0;
    granted_ = prefetch_ - std::min<uint64_t>(prefetch_, fetched_.size());
    request.mutable_opening()->set_initial_credit_batches(granted_);
    request.mutable_opening()->set_resumed_stream_id(stream_id_);
    leases_.ListHeld(*request.mutable_opening());
  }
  v1::SampleResponse response;
  if (!stream.Write(request) || !stream.Read(&response)) {
    return absl::UnavailableError("the stream could not be opened");
  }
  if (!response.has_opened()) {
    return absl::InternalError(
        "replay answered the opening of a sample stream with something else");
  }
  absl::MutexLock lock(&mu_);
  leases_.Opened(response.opened().server_incarnation());
  stream_id_ = response.opened().stream_id();
  stream_ = &stream;
  tried_ = true;
  return absl::OkStatus();
}

void RemoteSampleStream::Deliver(v1::SampledBatch batch) {
  absl::MutexLock lock(&mu_);
  leases_.Proven(++received_);
  if (closing_) return;  // Replay takes it back by itself.
  fetched_.push_back(std::move(batch));
}

void RemoteSampleStream::StopWriting() {
  absl::MutexLock lock(&mu_);
  const auto written = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return !writing_; };
  mu_.Await(absl::Condition(&written));
  stream_ = nullptr;
  // What has no lease is nobody else's: it stays.
  std::erase_if(fetched_, [](const v1::SampledBatch& batch) { return batch.lease_id() != 0; });
}

bool RemoteSampleStream::HasToWrite() const {
  return stream_ != nullptr && !half_closed_ &&
         (leases_.HasUnsaid() || credits_due_ > 0 || closing_);
}

void RemoteSampleStream::Write() {
  absl::MutexLock lock(&mu_);
  const auto due = [this]()
                       ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return HasToWrite() || !over_.ok(); };
  for (;;) {
    mu_.Await(absl::Condition(&due));
    if (!HasToWrite()) return;
    WriteAll();
  }
}

void RemoteSampleStream::WriteAll() {
  v1::SampleRequest done, credits;
  const bool has_done = leases_.HasUnsaid();
  if (has_done || closing_) *done.mutable_acknowledgement() = leases_.Say(granted_);
  if (closing_) done.mutable_acknowledgement()->set_closing(true);
  const uint64_t due = closing_ ? 0 : std::exchange(credits_due_, 0);
  granted_ += due;
  credits.mutable_credits()->set_batches(due);
  half_closed_ = closing_;
  writing_ = true;
  Stream* const stream = stream_;
  const bool half_close = half_closed_;
  mu_.Unlock();
  // A write that fails is the reading thread's to notice.
  if (has_done || half_close) stream->Write(done);
  if (due > 0) stream->Write(credits);
  if (half_close) stream->WritesDone();
  mu_.Lock();
  writing_ = false;
}

v1::SampledBatch RemoteSampleStream::Take() {
  v1::SampledBatch batch = std::move(fetched_.front());
  fetched_.pop_front();
  ++credits_due_;
  leases_.Take(batch.lease_id());
  return batch;
}

absl::StatusOr<v1::SampledBatch> RemoteSampleStream::Next() {
  absl::MutexLock lock(&mu_);
  const auto due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return !fetched_.empty() || cancelled_ || !over_.ok();
  };
  mu_.Await(absl::Condition(&due));
  if (cancelled_) return absl::CancelledError("sample stream from replay: cancelled");
  if (fetched_.empty()) return over_;
  return Take();
}

absl::StatusOr<std::optional<v1::SampledBatch>> RemoteSampleStream::TryNext() {
  absl::MutexLock lock(&mu_);
  if (cancelled_) return absl::CancelledError("sample stream from replay: cancelled");
  if (!fetched_.empty()) return Take();
  if (!over_.ok()) return over_;
  return std::nullopt;
}

void RemoteSampleStream::Acknowledge(uint64_t lease_id) {
  absl::MutexLock lock(&mu_);
  leases_.Acknowledge(lease_id);
}

void RemoteSampleStream::Cancel() {
  absl::MutexLock lock(&mu_);
  cancelled_ = true;
}

}  // namespace anabranch
