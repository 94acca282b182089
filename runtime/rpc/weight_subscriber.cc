#include "runtime/rpc/weight_subscriber.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "runtime/error_reason.h"
#include "runtime/refusal.h"
#include "runtime/rpc/weight_fetch.h"
#include "runtime/sha256.h"

namespace anabranch {
namespace {

// What no newer snapshot will change: this process is set up for something else.
bool IsHopeless(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  return absl::IsFailedPrecondition(status) &&
         (reason == kReasonRunMismatch || reason == kReasonEnvironmentMismatch ||
          reason == kReasonSchemaMismatch);
}

std::chrono::system_clock::time_point DeadlineAfter(absl::Duration timeout) {
  return absl::ToChronoTime(absl::Now() + timeout);
}

}  // namespace

// What is known of one holder.
struct WeightSubscriber::Holder {
  Holder(WeightHolder holder, const BackoffOptions& options, uint64_t seed)
      : name(std::move(holder.name)),
        channel(std::move(holder.channel)),
        stub(v1::WeightsService::NewStub(channel)),
        watch_backoff(options, seed),
        fetch_backoff(options, seed + 1) {}

  const std::string name;
  const std::shared_ptr<grpc::Channel> channel;
  const std::unique_ptr<v1::WeightsService::StubInterface> stub;
  Backoff watch_backoff;
  Backoff fetch_backoff;
  std::unique_ptr<WeightWatch> watch;
  absl::Time next_watch = absl::InfinitePast();
  bool connected = false;
  bool reported = false;  // That it can't be reached; said once.
  std::optional<v1::SnapshotManifest> notice;
  absl::Time next_fetch = absl::InfinitePast();
};

struct WeightSubscriber::Meters {
  explicit Meters(Metrics& metrics)
      : swaps(metrics.Counter("anabranch_weights_swaps_total", "Snapshots that came into use.")),
        bytes(metrics.Counter("anabranch_weights_fetched_bytes_total", "Bytes of snapshots.")),
        interruptions(metrics.Counter("anabranch_weights_interruptions_total",
                                      "Fetches of snapshots that broke off.")),
        seconds(metrics.Histogram("anabranch_weights_fetch_seconds",
                                  "From the decision to fetch a snapshot to its use.",
                                  LatencyBuckets())),
        registry(metrics) {}

  prometheus::Counter& Refused(const std::string& reason) {
    return registry.Counter("anabranch_weights_refused_total", "Snapshots that were refused.",
                            {{"reason", reason.empty() ? "OTHER" : reason}});
  }

  prometheus::Counter& swaps;
  prometheus::Counter& bytes;
  prometheus::Counter& interruptions;
  prometheus::Histogram& seconds;
  Metrics& registry;
};

absl::Status WeightSubscriberOptions::Validate() const {
  if (handshake.run_id().empty() || handshake.environment_fingerprint().empty()) {
    return absl::InvalidArgumentError(
        "a weight subscriber needs handshake.run_id and handshake.environment_fingerprint");
  }
  if (schema_sha256.size() != 32) {
    return absl::InvalidArgumentError(
        absl::StrCat("schema_sha256 has ", schema_sha256.size(), " bytes; give 32"));
  }
  if (fetch_timeout <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("fetch_timeout must be above 0");
  }
  return backoff.Validate();
}

absl::StatusOr<std::unique_ptr<WeightSubscriber>> WeightSubscriber::Start(
    const WeightSubscriberOptions& options, std::vector<WeightHolder> holders,
    DecodeSnapshot decode, Log& log, Metrics& metrics) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  if (holders.empty()) {
    return absl::InvalidArgumentError("a weight subscriber needs at least one holder");
  }
  auto subscriber = absl::WrapUnique(
      new WeightSubscriber(options, std::move(holders), std::move(decode), log, metrics));
  subscriber->thread_ = std::thread([raw = subscriber.get()] { raw->Run(); });
  return subscriber;
}

WeightSubscriber::WeightSubscriber(const WeightSubscriberOptions& options,
                                   std::vector<WeightHolder> holders, DecodeSnapshot decode,
                                   Log& log, Metrics& metrics)
    : options_(options),
      decode_(std::move(decode)),
      log_(log),
      meters_(std::make_unique<Meters>(metrics)) {
  uint64_t seed = options.seed;
  for (WeightHolder& holder : holders) {
    holders_.push_back(std::make_unique<Holder>(std::move(holder), options.backoff, seed));
    seed += 2;
  }
}

WeightSubscriber::~WeightSubscriber() {
  Cancel();
  thread_.join();
}

absl::StatusOr<std::shared_ptr<const WeightSnapshot>> WeightSubscriber::Newest() {
  absl::ReaderMutexLock lock(&mu_);
  return newest_;
}

absl::Status WeightSubscriber::AwaitFirst(absl::Time deadline) {
  absl::MutexLock lock(&mu_);
  auto settled = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return newest_ != nullptr || cancelled_ || !hopeless_.ok();
  };
  const bool in_time = mu_.AwaitWithDeadline(absl::Condition(&settled), deadline);
  if (newest_ != nullptr) return absl::OkStatus();
  if (cancelled_) return absl::CancelledError("waiting for weights was cancelled");
  if (!hopeless_.ok()) return hopeless_;
  if (in_time) return absl::OkStatus();
  return absl::DeadlineExceededError(absl::StrCat(
      "no snapshot of the weights has come from ",
      absl::StrJoin(holders_, " or ",
                    [](std::string* out, const auto& holder) { out->append(holder->name); }),
      trouble_.ok() ? ""
                    : absl::StrCat("; the last error: ",
                                   trouble_.ToString(absl::StatusToStringMode::kWithNoExtraData))));
}

void WeightSubscriber::Cancel() {
  absl::MutexLock lock(&mu_);
  cancelled_ = true;
  if (fetching_ != nullptr) fetching_->TryCancel();
}

WeightSubscriberCounters WeightSubscriber::counters() const {
  absl::ReaderMutexLock lock(&mu_);
  return counters_;
}

bool WeightSubscriber::cancelled() const {
  absl::ReaderMutexLock lock(&mu_);
  return cancelled_;
}

void WeightSubscriber::Wake() {
  absl::MutexLock lock(&mu_);
  woken_ = true;
}

void WeightSubscriber::SleepUntil(absl::Time due) {
  absl::MutexLock lock(&mu_);
  auto awake = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return woken_ || cancelled_; };
  mu_.AwaitWithDeadline(absl::Condition(&awake), due);
}

void WeightSubscriber::Run() {
  while (!cancelled()) {
    {
      absl::MutexLock lock(&mu_);
      woken_ = false;  // What wakes us from here on is looked at in the next round.
    }
    absl::Time due = TendWatches();
    if (Holder* holder = BestNotice(&due); holder != nullptr) {
      Take(*holder);
    } else {
      SleepUntil(due);
    }
  }
  for (const auto& holder : holders_) holder->watch.reset();
}

absl::Time WeightSubscriber::TendWatches() {
  absl::Time due = absl::InfiniteFuture();
  std::string source;
  for (const auto& holder : holders_) {
    Tend(*holder, /*wanted=*/source.empty());
    if (holder->connected && source.empty()) source = holder->name;
    if (source.empty() && holder->watch == nullptr) due = std::min(due, holder->next_watch);
  }
  absl::MutexLock lock(&mu_);
  counters_.source = std::move(source);
  return due;
}

void WeightSubscriber::Tend(Holder& holder, bool wanted) {
  if (!wanted) {  // An earlier one has answered.
    holder.watch.reset();
    holder.notice.reset();
    holder.connected = false;
    return;
  }
  if (holder.watch != nullptr) {
    if (auto notice = holder.watch->TakeNotice()) {
      holder.notice = std::move(notice);
      holder.next_fetch = absl::InfinitePast();
    }
    if (auto ended = holder.watch->ended()) EndWatch(holder, *ended);
  }
  if (holder.watch == nullptr && absl::Now() >= holder.next_watch) StartWatch(holder);
  const bool connected = holder.watch != nullptr && holder.watch->connected();
  if (connected && !holder.connected) {
    holder.watch_backoff.Reset();
    holder.reported = false;
    log_.Info("watching for weights", {{"holder", holder.name}});
  }
  holder.connected = connected;
}

void WeightSubscriber::StartWatch(Holder& holder) {
  v1::WatchRequest request;
  *request.mutable_handshake() = options_.handshake;
  if (in_use_.has_value()) *request.mutable_newest_known() = *in_use_;
  holder.watch = std::make_unique<WeightWatch>(*holder.stub, request, [this] { Wake(); });
}

void WeightSubscriber::EndWatch(Holder& holder, const absl::Status& status) {
  holder.watch.reset();
  holder.notice.reset();  // It comes again with the next watch.
  const absl::Duration delay = holder.watch_backoff.Next();
  holder.next_watch = absl::Now() + delay;
  if (!holder.reported) {
    holder.reported = true;
    log_.Warning("no watch for weights; the last snapshot stays in use, and it is tried again",
                 {{"holder", holder.name},
                  {"error", status.ToString(absl::StatusToStringMode::kWithNoExtraData)}});
  }
  absl::MutexLock lock(&mu_);
  trouble_ = status.ok() ? absl::UnavailableError("the watch ended") : status;
  if (IsHopeless(status)) hopeless_ = status;
}

WeightSubscriber::Holder* WeightSubscriber::BestNotice(absl::Time* due) {
  Holder* best = nullptr;
  const absl::Time now = absl::Now();
  for (const auto& holder : holders_) {
    if (!holder->notice.has_value()) continue;
    if (holder->next_fetch > now) {
      *due = std::min(*due, holder->next_fetch);
    } else if (best == nullptr || IsNewer(holder->notice->policy(), best->notice->policy())) {
      best = holder.get();
    }
  }
  return best;
}

void WeightSubscriber::Take(Holder& holder) {
  const absl::Time begin = absl::Now();
  const v1::SnapshotManifest manifest = *holder.notice;
  if (absl::Status status = CheckNotice(manifest); !status.ok()) return Reject(holder, status);
  absl::Status status = Fetch(holder, manifest.blobs(0));
  if (!status.ok()) return HandleBrokenFetch(holder, status);
  if (status = Use(manifest); !status.ok()) return Reject(holder, status);
  holder.notice.reset();
  holder.fetch_backoff.Reset();
  meters_->seconds.Observe(absl::ToDoubleSeconds(absl::Now() - begin));
}

absl::Status WeightSubscriber::CheckNotice(const v1::SnapshotManifest& manifest) const {
  const v1::Handshake& ours = options_.handshake;
  if (manifest.run_id() != ours.run_id()) {
    return RefusalStatus(
        RefuseMismatch(kReasonRunMismatch, "run_id", manifest.run_id(), ours.run_id()));
  }
  if (manifest.environment_fingerprint() != ours.environment_fingerprint()) {
    return RefusalStatus(RefuseMismatch(kReasonEnvironmentMismatch, "environment_fingerprint",
                                        manifest.environment_fingerprint(),
                                        ours.environment_fingerprint()));
  }
  if (in_use_.has_value() && !IsNewer(manifest.policy(), *in_use_)) {
    return StaleSnapshot(manifest.policy(), *in_use_, "which is in use");
  }
  if (manifest.schema_sha256() != options_.schema_sha256) {
    return RefusalStatus(RefuseMismatch(kReasonSchemaMismatch, "schema_sha256",
                                        absl::BytesToHexString(manifest.schema_sha256()),
                                        absl::BytesToHexString(options_.schema_sha256)));
  }
  if (manifest.blobs_size() != 1) {
    return RefusalStatus(Refuse(kReasonWrongLength, "blobs", std::nullopt,
                                absl::StrCat("has ", manifest.blobs_size(),
                                             " entries; this version reads snapshots of one")));
  }
  if (manifest.blobs(0).size_bytes() > options_.max_snapshot_bytes) {
    return RefusalStatus(Refuse(kReasonTooLarge, "blobs.size_bytes", 0,
                                absl::StrCat("is ", manifest.blobs(0).size_bytes(), "; at most ",
                                             options_.max_snapshot_bytes)));
  }
  return absl::OkStatus();
}

absl::Status WeightSubscriber::Fetch(Holder& holder, const v1::Blob& blob) {
  if (!assembly_.has_value() || assembly_->blob().sha256() != blob.sha256() ||
      assembly_->blob().size_bytes() != blob.size_bytes()) {
    if (assembly_.has_value()) buffer_ = assembly_->TakeBuffer();
    assembly_.emplace(blob, std::move(buffer_));
  }
  if (assembly_->complete()) return absl::OkStatus();
  grpc::ClientContext context;
  context.set_deadline(DeadlineAfter(options_.fetch_timeout));
  {
    absl::MutexLock lock(&mu_);
    if (cancelled_) return absl::CancelledError("the subscription was cancelled");
    fetching_ = &context;
  }
  const uint64_t before = assembly_->size();
  const absl::Status status = FetchBlob(holder.channel, context, options_.handshake, *assembly_);
  const uint64_t fetched = assembly_->size() - before;
  meters_->bytes.Increment(static_cast<double>(fetched));
  absl::MutexLock lock(&mu_);
  fetching_ = nullptr;
  counters_.fetched_bytes += fetched;
  return status;
}

void WeightSubscriber::HandleBrokenFetch(Holder& holder, const absl::Status& status) {
  if (cancelled()) return;
  if (absl::IsDataLoss(status) || absl::IsInvalidArgument(status) ||
      absl::IsFailedPrecondition(status) || absl::IsOutOfRange(status)) {
    return Reject(holder, status);
  }
  log_.Debug("a fetch of weights broke off and will go on",
             {{"holder", holder.name},
              {"error", status.ToString(absl::StatusToStringMode::kWithNoExtraData)}});
  meters_->interruptions.Increment();
  if (absl::IsNotFound(status)) {
    holder.notice.reset();  // Superseded: the newer one's notice comes or is here.
  } else {
    holder.next_fetch = absl::Now() + holder.fetch_backoff.Next();
  }
  absl::MutexLock lock(&mu_);
  trouble_ = status;
  ++counters_.interruptions;
}

absl::Status WeightSubscriber::Use(const v1::SnapshotManifest& manifest) {
  auto blob = assembly_->Finish();
  if (!blob.ok()) return blob.status();
  assembly_.reset();
  buffer_ = *std::move(blob);
  auto snapshot = decode_(manifest, buffer_);
  if (!snapshot.ok()) return snapshot.status();
  log_.Debug("took weights", {{"version", VersionName(manifest.policy())}});
  in_use_ = manifest.policy();
  meters_->swaps.Increment();
  std::shared_ptr<const WeightSnapshot> old = *std::move(snapshot);
  absl::MutexLock lock(&mu_);
  newest_.swap(old);  // The old one is freed after the lock.
  ++counters_.swaps;
  return absl::OkStatus();
}

void WeightSubscriber::Reject(Holder& holder, const absl::Status& status) {
  log_.Warning("refused a snapshot of the weights; the one in use stays",
               {{"holder", holder.name},
                {"version", VersionName(holder.notice->policy())},
                {"reason", ReasonOf(status)},
                {"error", status.ToString(absl::StatusToStringMode::kWithNoExtraData)}});
  holder.notice.reset();  // It is not asked for again unless a new watch offers it.
  if (assembly_.has_value()) buffer_ = assembly_->TakeBuffer();
  assembly_.reset();
  meters_->Refused(ReasonOf(status)).Increment();
  absl::MutexLock lock(&mu_);
  ++counters_.refused;
  trouble_ = status;
  if (IsHopeless(status)) hopeless_ = status;
}

}  // namespace anabranch
