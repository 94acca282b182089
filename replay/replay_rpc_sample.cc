#include "replay/replay_rpc_sample.h"

#include <algorithm>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace anabranch {
namespace {

constexpr uint32_t kMaxBatch = 1 << 20;  // Trajectories.
constexpr absl::Duration kMaxLeaseTimeout = absl::Hours(24);

std::span<const uint64_t> SpanOf(const google::protobuf::RepeatedField<uint64_t>& numbers) {
  return {numbers.data(), static_cast<size_t>(numbers.size())};
}

}  // namespace

RpcSampleStream::~RpcSampleStream() {
  absl::MutexLock lock(&mu_);
  leases_.Break(stream_);
}

absl::Status RpcSampleStream::Receive(v1::SampleRequest& request) {
  if (request.message_case() == v1::SampleRequest::MESSAGE_NOT_SET) {
    return absl::InvalidArgumentError(
        "message: is empty; an opening comes first, then credits and acknowledgements");
  }
  if (request.has_opening()) return ReceiveOpening(*request.mutable_opening());
  if (!opened_) {
    return absl::InvalidArgumentError(
        absl::StrCat(request.has_credits() ? "credits" : "acknowledgement",
                     ": came before the opening, which is a stream's first message"));
  }
  if (request.has_acknowledgement()) {
    ReceiveDone(request.acknowledgement());
    return absl::OkStatus();
  }
  absl::MutexLock lock(&mu_);
  credits_ +=
      std::min(request.credits().batches(), std::numeric_limits<uint64_t>::max() - credits_);
  return absl::OkStatus();
}

absl::Status RpcSampleStream::ReceiveOpening(v1::SampleOpening& opening) {
  if (opened_) {
    return absl::InvalidArgumentError(
        "opening: came a second time; a stream has one, as its first message");
  }
  if (opening.batch_trajectories() > kMaxBatch) {
    return absl::InvalidArgumentError(absl::StrCat("batch_trajectories: is ",
                                                   opening.batch_trajectories(), "; at most ",
                                                   kMaxBatch, " are possible"));
  }
  opened_ = true;
  opening_ = std::move(opening);
  absl::MutexLock lock(&mu_);
  credits_ = opening_.initial_credit_batches();
  return absl::OkStatus();
}

void RpcSampleStream::ReceiveDone(const v1::SampleAcknowledgement& done) {
  uint64_t stream;
  {
    absl::MutexLock lock(&mu_);
    stream = stream_;
  }
  if (!done.lease_ids().empty()) {
    service_.Acknowledge(SpanOf(done.lease_ids()));
    leases_.Remove(stream, SpanOf(done.lease_ids()));
  }
  if (!done.released_lease_ids().empty()) {
    service_.Release(SpanOf(done.released_lease_ids()));
    leases_.Remove(stream, SpanOf(done.released_lease_ids()));
  }
  if (!done.closing()) return;
  absl::MutexLock lock(&mu_);
  closing_ = true;
  service_.Cancel(token_);
}

absl::StatusOr<SampleSource> RpcSampleStream::Open() {
  absl::StatusOr<SampleSource> source = service_.ResolveSampleOpening(opening_);
  if (!source.ok()) return source;
  if (opening_.lease_timeout_millis() > 0) {
    const uint64_t most = absl::ToInt64Milliseconds(kMaxLeaseTimeout);
    lease_timeout_ = absl::Milliseconds(std::min(opening_.lease_timeout_millis(), most));
  }
  auto info = service_.GetInfo({});
  if (!info.ok()) return info.status();
  v1::SampleResponse& response = responses_[next_response_++ % responses_.size()];
  response.mutable_opened()->set_server_incarnation(info->server_incarnation());
  response.mutable_opened()->set_lease_timeout_millis(absl::ToInt64Milliseconds(lease_timeout_));
  std::vector<uint64_t> dropped;
  const uint64_t stream = leases_.Open(opening_.resumed_stream_id(),
                                       SpanOf(opening_.held_lease_ids()), absl::Now(), dropped);
  if (!dropped.empty()) service_.Release(dropped);
  {
    absl::MutexLock lock(&mu_);
    stream_ = stream;
  }
  response.mutable_opened()->set_stream_id(stream);
  if (!StartWriting(&response)) return absl::CancelledError("the client is gone");
  return source;
}

bool RpcSampleStream::TakeCredit(absl::Status& end) {
  absl::MutexLock lock(&mu_);
  const auto due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return credits_ > 0 || closing_ || reads_over_ || broken_ || !ended_.ok();
  };
  mu_.Await(absl::Condition(&due));
  end = broken_ ? absl::CancelledError("the client is gone") : ended_;
  if (closing_ || reads_over_ || broken_ || !ended_.ok()) return false;
  --credits_;
  return true;
}

absl::Status RpcSampleStream::Send(v1::SampledBatch batch) {
  const uint64_t lease = batch.lease_id();
  v1::SampleResponse& response = responses_[next_response_++ % responses_.size()];
  *response.mutable_batch() = std::move(batch);
  bool lost = !AwaitWritten();
  uint64_t stream;
  {
    absl::MutexLock lock(&mu_);
    lost |= closing_ || reads_over_;
    stream = stream_;
  }
  if (!lost && lease != 0) lost = !leases_.Add(stream, lease, absl::Now() + lease_timeout_);
  if (!lost) {
    StartWriting(&response);
    return absl::OkStatus();
  }
  // The client has never seen this one.
  if (lease != 0) service_.Release({&lease, 1});
  return absl::CancelledError("the client is gone");
}

void RpcSampleStream::AwaitEnd() {
  absl::MutexLock lock(&mu_);
  const auto over = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return closing_ || reads_over_ || broken_ || !ended_.ok();
  };
  mu_.Await(absl::Condition(&over));
}

bool RpcSampleStream::closing() {
  absl::MutexLock lock(&mu_);
  return closing_;
}

absl::Status RpcSampleStream::Draw(const SampleSource& source) {
  absl::Status end;
  while (TakeCredit(end)) {
    auto batch = service_.SampleLeased(*source.group, source.tables, source.batch_trajectories,
                                       absl::InfiniteFuture(), lease_timeout_, &token_);
    if (!batch.ok()) {
      if (!token_.cancelled()) AwaitEnd();
      absl::MutexLock lock(&mu_);
      return reads_over_ && !broken_ ? absl::OkStatus() : batch.status();
    }
    if (absl::Status status = Send(*std::move(batch)); !status.ok()) {
      absl::MutexLock lock(&mu_);
      return broken_ ? status : absl::OkStatus();
    }
  }
  return end;
}

absl::Status RpcSampleStream::Work() {
  if (!opened_) {
    return absl::InvalidArgumentError("opening: is missing; it is a stream's first message");
  }
  absl::StatusOr<SampleSource> source = Open();
  if (!source.ok()) return source.status();
  absl::Status status = Draw(*source);
  if (!closing()) return status;
  uint64_t stream;
  {
    absl::MutexLock lock(&mu_);
    stream = stream_;
  }
  service_.Release(leases_.Close(stream));
  return absl::OkStatus();
}

}  // namespace anabranch
