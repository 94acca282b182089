#include "replay/replay_rpc_sample.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace anabranch {
namespace {

constexpr uint32_t kMaxBatch = 1 << 20;  // Trajectories.
constexpr absl::Duration kMaxLeaseTimeout = absl::Hours(24);

}  // namespace

RpcSampleStream::~RpcSampleStream() {
  std::vector<uint64_t> leases;
  {
    absl::MutexLock lock(&mu_);
    if (in_order_) {
      for (const Leased& leased : leases_) leases.push_back(leased.lease);
    }
  }
  if (!leases.empty()) service_.Release(leases);
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
    const v1::SampleAcknowledgement& done = request.acknowledgement();
    Forget(done);
    if (!done.lease_ids().empty()) {
      service_.Acknowledge({done.lease_ids().data(), static_cast<size_t>(done.lease_ids_size())});
    }
    if (!done.released_lease_ids().empty()) {
      service_.Release({done.released_lease_ids().data(),
                        static_cast<size_t>(done.released_lease_ids_size())});
    }
    return absl::OkStatus();
  }
  absl::MutexLock lock(&mu_);
  credits_ += std::min(request.credits().batches(),
                       std::numeric_limits<uint64_t>::max() - credits_);
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

void RpcSampleStream::Forget(const v1::SampleAcknowledgement& done) {
  absl::flat_hash_set<uint64_t> gone(done.lease_ids().begin(), done.lease_ids().end());
  gone.insert(done.released_lease_ids().begin(), done.released_lease_ids().end());
  absl::MutexLock lock(&mu_);
  leases_.erase(std::remove_if(leases_.begin(), leases_.end(),
                               [&gone](const Leased& l) { return gone.contains(l.lease); }),
                leases_.end());
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
  if (!StartWriting(&response)) return absl::CancelledError("the client is gone");
  return source;
}

bool RpcSampleStream::TakeCredit(absl::Status& end) {
  absl::MutexLock lock(&mu_);
  const auto due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return credits_ > 0 || reads_over_ || broken_ || !ended_.ok();
  };
  mu_.Await(absl::Condition(&due));
  end = broken_ ? absl::CancelledError("the client is gone") : ended_;
  if (reads_over_ || broken_ || !ended_.ok()) return false;
  --credits_;
  return true;
}

absl::Status RpcSampleStream::Send(v1::SampledBatch batch) {
  const uint64_t lease = batch.lease_id();
  v1::SampleResponse& response = responses_[next_response_++ % responses_.size()];
  *response.mutable_batch() = std::move(batch);
  bool lost = !AwaitWritten();
  {
    absl::MutexLock lock(&mu_);
    lost |= reads_over_;
    const absl::Time now = absl::Now();
    while (!leases_.empty() && leases_.front().end < now) leases_.pop_front();
    if (!lost && lease != 0) leases_.push_back({lease, now + lease_timeout_});
  }
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
    return reads_over_ || broken_ || !ended_.ok();
  };
  mu_.Await(absl::Condition(&over));
}

absl::Status RpcSampleStream::Work() {
  if (!opened_) {
    return absl::InvalidArgumentError("opening: is missing; it is a stream's first message");
  }
  absl::StatusOr<SampleSource> source = Open();
  if (!source.ok()) return source.status();
  absl::Status end;
  while (TakeCredit(end)) {
    auto batch =
        service_.SampleLeased(*source->group, source->tables, source->batch_trajectories,
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

}  // namespace anabranch
