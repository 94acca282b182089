#include "runtime/rpc/weights_service.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/error_reason.h"
#include "runtime/refusal.h"
#include "runtime/rpc/grpc_status.h"
#include "runtime/rpc/weight_assembly.h"

namespace anabranch {

absl::Status WeightsServiceOptions::Validate() const {
  if (min_notice_interval < absl::ZeroDuration() || shutdown_grace < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("min_notice_interval and shutdown_grace are at least 0");
  }
  if (max_watchers < 1 || max_publications < 1 || max_retired_blobs < 0) {
    return absl::InvalidArgumentError(
        "max_watchers and max_publications are at least 1, max_retired_blobs at least 0");
  }
  return absl::OkStatus();
}

WeightsService::WeightsService(WeightStore& store, const WeightsServiceOptions& options, Log& log)
    : store_(store),
      options_(options),
      log_(log),
      watchers_(static_cast<size_t>(options.max_watchers)),
      transfers_(static_cast<size_t>(options.max_retired_blobs)) {
  subscription_ = store_.Subscribe([this] {
    absl::MutexLock lock(&mu_);
    changed_ = true;
  });
  notices_ = std::thread([this] { RunNotices(); });
}

WeightsService::~WeightsService() {
  Shutdown();
  store_.Unsubscribe(subscription_);
  notices_.join();
}

void WeightsService::Shutdown() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  watchers_.Shutdown(options_.shutdown_grace);
}

void WeightsService::RunNotices() {
  auto changed = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return changed_ || stopping_; };
  for (;;) {
    {
      absl::MutexLock lock(&mu_);
      mu_.Await(absl::Condition(&changed));
      if (stopping_) return;
      changed_ = false;
    }
    watchers_.Announce(store_.Newest());
    transfers_.BreakOffRetired(store_);
    absl::MutexLock lock(&mu_);
    mu_.AwaitWithTimeout(absl::Condition(&stopping_), options_.min_notice_interval);
  }
}

WatchReactor* WeightsService::Watch(grpc::CallbackServerContext*, const v1::WatchRequest* request) {
  absl::Status status = store_.CheckHandshake(request->handshake());
  if (!status.ok()) return RefuseWatch(status);
  return watchers_.Add(*request, store_);
}

FetchReactor* WeightsService::Fetch(grpc::CallbackServerContext* context,
                                    const grpc::ByteBuffer* request) {
  v1::FetchRequest fetch;
  grpc::ByteBuffer bytes(*request);  // Shares the bytes; parsing empties what it is given.
  grpc::Status parsed = grpc::SerializationTraits<v1::FetchRequest>::Deserialize(&bytes, &fetch);
  if (!parsed.ok()) {
    return RefuseFetch(absl::InvalidArgumentError("the request is no FetchRequest"));
  }
  absl::Status status = store_.CheckHandshake(fetch.handshake());
  if (!status.ok()) return RefuseFetch(status);
  auto blob = store_.Find(fetch.sha256());
  if (!blob.ok()) return RefuseFetch(blob.status());
  return transfers_.Add(context, *blob, fetch.offset_bytes());
}

grpc::Status WeightsService::Publish(grpc::ServerContext* context,
                                     grpc::ServerReader<v1::PublishRequest>* reader,
                                     v1::PublishResponse* response) {
  {
    absl::MutexLock lock(&mu_);
    if (stopping_) {
      return ToGrpcStatus(
          WithReason(absl::UnavailableError("this process is stopping"), kReasonDraining));
    }
    if (publications_.size() >= static_cast<size_t>(options_.max_publications)) {
      publications_.front()->TryCancel();
      publications_.pop_front();
    }
    publications_.push_back(context);
  }
  auto newest = Receive(*reader);
  {
    absl::MutexLock lock(&mu_);
    publications_.remove(context);
  }
  if (newest.ok()) {
    *response->mutable_newest() = *newest;
  } else {
    log_.Warning("refused a snapshot",
                 {{"reason", ReasonOf(newest.status())}, {"error", newest.status().ToString()}});
  }
  return ToGrpcStatus(newest.status());
}

absl::StatusOr<v1::PolicyVersion> WeightsService::UnlessOvertaken(
    const absl::Status& status, const v1::SnapshotManifest& manifest) const {
  if (ReasonOf(status) != kReasonStaleGeneration) return status;
  const std::shared_ptr<const HeldSnapshot> held = store_.Newest();
  const v1::SnapshotManifest& newest = held->manifest;
  if (newest.policy().generation() != manifest.policy().generation()) return status;
  if (IsNewer(newest.policy(), manifest.policy())) return newest.policy();
  // Another snapshot under the same version is another learner's.
  const bool same =
      std::equal(newest.blobs().begin(), newest.blobs().end(), manifest.blobs().begin(),
                 manifest.blobs().end(),
                 [](const v1::Blob& a, const v1::Blob& b) { return a.sha256() == b.sha256(); });
  if (!same) return status;
  return newest.policy();
}

absl::StatusOr<v1::PolicyVersion> WeightsService::Receive(
    grpc::ServerReader<v1::PublishRequest>& reader) {
  v1::PublishRequest message;
  if (!reader.Read(&message) || !message.has_opening()) {
    return absl::InvalidArgumentError(
        "message: a publication begins with its opening; send PublishOpening first");
  }
  const v1::PublishOpening opening = message.opening();
  const v1::SnapshotManifest& manifest = opening.manifest();
  absl::Status status = store_.CheckHandshake(opening.handshake());
  if (!status.ok()) return status;
  if (status = store_.Check(manifest); !status.ok()) return UnlessOvertaken(status, manifest);
  SnapshotAssembly assembly(manifest);
  while (reader.Read(&message)) {
    if (!message.has_chunk()) {
      return absl::InvalidArgumentError("message: a chunk is expected after the opening");
    }
    if (status = assembly.Add(message.chunk()); !status.ok()) return status;
  }
  auto blobs = assembly.Finish(store_);
  if (!blobs.ok()) return blobs.status();
  status = store_.PutVerified(manifest, *std::move(blobs));
  if (!status.ok()) return UnlessOvertaken(status, manifest);
  return manifest.policy();
}

}  // namespace anabranch
