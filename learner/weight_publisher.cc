#include "learner/weight_publisher.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "runtime/error_reason.h"
#include "runtime/sha256.h"

namespace anabranch {
namespace {

constexpr char kBlobName[] = "policy.safetensors";

}  // namespace

// The publisher's mu_ guards what changes.
struct WeightPublisher::Holder {
  Holder(WeightHolder holder, const BackoffOptions& options, uint64_t seed)
      : name(std::move(holder.name)),
        stub(v1::WeightsService::NewStub(holder.channel)),
        backoff(options, seed) {}

  const std::string name;
  const std::unique_ptr<v1::WeightsService::StubInterface> stub;
  Backoff backoff;        // Of its thread alone.
  bool reported = false;  // That it can't be reached; said once. Of its thread alone.
  std::shared_ptr<const HeldSnapshot> pushed;   // The newest that it has, or refused for good.
  absl::Time next_push = absl::InfinitePast();  // Not before, where the last try failed.
  grpc::ClientContext* pushing = nullptr;
};

struct WeightPublisher::Meters {
  explicit Meters(Metrics& metrics)
      : published(metrics.Counter("anabranch_weights_published_total",
                                  "Snapshots made known to watchers.")),
        skipped(metrics.Counter("anabranch_weights_skipped_total",
                                "Snapshots that a newer one overtook before they were published.")),
        pushed(metrics.Counter("anabranch_weights_pushed_total", "Snapshots brought to a holder.")),
        failed(metrics.Counter("anabranch_weights_push_failures_total",
                               "Tries to bring a snapshot to a holder that failed.")),
        seconds(metrics.Histogram("anabranch_weights_publish_seconds",
                                  "From a snapshot's numbers to its notices.", LatencyBuckets())) {}

  prometheus::Counter& published;
  prometheus::Counter& skipped;
  prometheus::Counter& pushed;
  prometheus::Counter& failed;
  prometheus::Histogram& seconds;
};

absl::Status WeightPublisherOptions::Validate() const {
  if (handshake.run_id().empty() || handshake.environment_fingerprint().empty()) {
    return absl::InvalidArgumentError(
        "a weight publisher needs handshake.run_id and handshake.environment_fingerprint");
  }
  if (push_timeout <= absl::ZeroDuration() || reoffer_interval <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("push_timeout and reoffer_interval must be above 0");
  }
  return backoff.Validate();
}

absl::StatusOr<std::unique_ptr<WeightPublisher>> WeightPublisher::Create(
    const WeightPublisherOptions& options, const Parameters& parameters, WeightStore& store,
    std::vector<WeightHolder> holders, Log& log, Metrics& metrics) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  auto publisher = absl::WrapUnique(
      new WeightPublisher(options, parameters, store, std::move(holders), log, metrics));
  WeightPublisher* raw = publisher.get();
  raw->threads_.emplace_back([raw] { raw->RunStore(); });
  for (const auto& holder : raw->holders_) {
    raw->threads_.emplace_back([raw, &holder = *holder] { raw->RunPush(holder); });
  }
  return publisher;
}

WeightPublisher::WeightPublisher(const WeightPublisherOptions& options,
                                 const Parameters& parameters, WeightStore& store,
                                 std::vector<WeightHolder> holders, Log& log, Metrics& metrics)
    : options_(options),
      codec_(parameters),
      store_(store),
      log_(log),
      meters_(std::make_unique<Meters>(metrics)) {
  uint64_t seed = options.seed;
  for (WeightHolder& holder : holders) {
    holders_.push_back(std::make_unique<Holder>(std::move(holder), options.backoff, seed++));
  }
}

WeightPublisher::~WeightPublisher() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
    for (const auto& holder : holders_) {
      if (holder->pushing != nullptr) holder->pushing->TryCancel();
    }
  }
  for (std::thread& thread : threads_) thread.join();
}

absl::Status WeightPublisher::Publish(std::shared_ptr<const WeightSnapshot> snapshot) {
  bool first = false;
  {
    absl::MutexLock lock(&mu_);
    if (!fenced_.ok()) return fenced_;
    if (!failed_.ok()) return failed_;
    first = std::exchange(first_, false);
    if (!first) {
      if (waiting_ != nullptr) {
        ++counters_.skipped;
        meters_->skipped.Increment();
      }
      waiting_.swap(snapshot);  // What was skipped is freed after the lock.
    }
  }
  return first ? Store(*snapshot) : absl::OkStatus();
}

absl::Status WeightPublisher::fenced() const {
  absl::MutexLock lock(&mu_);
  return fenced_;
}

absl::Status WeightPublisher::Flush(absl::Time deadline) {
  absl::MutexLock lock(&mu_);
  auto settled = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    if (!fenced_.ok() || !failed_.ok()) return true;
    const HeldSnapshot* newest = stored_.get();
    return waiting_ == nullptr && !storing_ &&
           std::all_of(holders_.begin(), holders_.end(),
                       [newest](const auto& holder) { return holder->pushed.get() == newest; });
  };
  const bool in_time = mu_.AwaitWithDeadline(absl::Condition(&settled), deadline);
  if (!fenced_.ok()) return fenced_;
  if (!failed_.ok()) return failed_;
  if (in_time) return absl::OkStatus();
  for (const auto& holder : holders_) {
    if (holder->pushed == stored_) continue;
    return absl::DeadlineExceededError(
        absl::StrCat("the newest snapshot has not come to ", holder->name));
  }
  return absl::DeadlineExceededError("the newest snapshot is not serialised yet");
}

WeightPublisherCounters WeightPublisher::counters() const {
  absl::MutexLock lock(&mu_);
  return counters_;
}

absl::Status WeightPublisher::Store(const WeightSnapshot& snapshot) {
  const absl::Time begin = absl::Now();
  auto held = std::make_shared<HeldSnapshot>();
  absl::Status status = absl::OkStatus();
  if (auto bytes = codec_.Encode(snapshot); bytes.ok()) {
    held->manifest = snapshot.manifest;
    held->manifest.set_schema_sha256(codec_.schema_sha256());
    held->manifest.clear_blobs();
    v1::Blob& blob = *held->manifest.add_blobs();
    blob.set_name(kBlobName);
    blob.set_sha256(Sha256Digest(*bytes));
    blob.set_size_bytes(bytes->size());
    held->blobs.push_back(std::make_shared<const std::string>(*std::move(bytes)));
    status = store_.PutVerified(held->manifest, held->blobs);
  } else {
    status = bytes.status();
  }
  absl::MutexLock lock(&mu_);
  if (ReasonOf(status) == kReasonStaleGeneration) {
    fenced_ = status;
  } else if (!status.ok()) {
    failed_ = status;
  } else {
    stored_ = std::move(held);
    ++counters_.published;
    meters_->published.Increment();
    meters_->seconds.Observe(absl::ToDoubleSeconds(absl::Now() - begin));
  }
  return status;
}

void WeightPublisher::RunStore() {
  auto due = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return waiting_ != nullptr || stopping_; };
  for (;;) {
    std::shared_ptr<const WeightSnapshot> snapshot;
    {
      absl::MutexLock lock(&mu_);
      storing_ = false;
      mu_.Await(absl::Condition(&due));
      if (waiting_ == nullptr) return;  // Stopping, and all is stored.
      snapshot = std::move(waiting_);
      waiting_ = nullptr;
      storing_ = true;
    }
    if (absl::Status status = Store(*snapshot); !status.ok()) {
      log_.Error("can't publish weights",
                 {{"reason", ReasonOf(status)},
                  {"error", status.ToString(absl::StatusToStringMode::kWithNoExtraData)}});
    }
  }
}

void WeightPublisher::RunPush(Holder& holder) {
  while (const std::shared_ptr<const HeldSnapshot> snapshot = NextPush(holder)) {
    const absl::Status status = Push(holder, *snapshot);
    HandlePush(holder, snapshot, status);
  }
}

std::shared_ptr<const HeldSnapshot> WeightPublisher::NextPush(Holder& holder) {
  absl::MutexLock lock(&mu_);
  auto newer = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return stopping_ || !fenced_.ok() || stored_ != holder.pushed;
  };
  auto stopping = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return stopping_ || !fenced_.ok(); };
  // After a failure nothing but the time makes another try worthwhile.
  mu_.AwaitWithDeadline(absl::Condition(&stopping), holder.next_push);
  const absl::Duration patience =
      holder.pushed == nullptr ? absl::InfiniteDuration() : options_.reoffer_interval;
  mu_.AwaitWithTimeout(absl::Condition(&newer), patience);
  if (stopping_ || !fenced_.ok()) return nullptr;
  return stored_;
}

absl::Status WeightPublisher::Push(Holder& holder, const HeldSnapshot& snapshot) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + options_.push_timeout));
  {
    absl::MutexLock lock(&mu_);
    if (stopping_) return absl::CancelledError("the publisher ends");
    holder.pushing = &context;
  }
  auto newest = PushSnapshot(*holder.stub, context, options_.handshake, snapshot);
  absl::MutexLock lock(&mu_);
  holder.pushing = nullptr;
  return newest.status();
}

void WeightPublisher::HandlePush(Holder& holder,
                                 const std::shared_ptr<const HeldSnapshot>& snapshot,
                                 const absl::Status& status) {
  if (!status.ok() && !holder.reported) {
    holder.reported = true;
    log_.Warning("could not bring weights to a holder; it is tried again with the newest",
                 {{"holder", holder.name},
                  {"error", status.ToString(absl::StatusToStringMode::kWithNoExtraData)}});
  }
  absl::MutexLock lock(&mu_);
  if (status.ok()) {
    if (holder.pushed != snapshot) {
      ++counters_.pushed;
      meters_->pushed.Increment();
    }
    holder.pushed = snapshot;
    holder.reported = false;
    holder.backoff.Reset();
    holder.next_push = absl::InfinitePast();
    return;
  }
  ++counters_.failed_pushes;
  meters_->failed.Increment();
  if (ReasonOf(status) == kReasonStaleGeneration) fenced_ = status;
  holder.next_push = absl::Now() + holder.backoff.Next();
}

}  // namespace anabranch
