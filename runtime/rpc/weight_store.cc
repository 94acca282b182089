#include "runtime/rpc/weight_store.h"

#include <optional>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "runtime/error_reason.h"
#include "runtime/refusal.h"
#include "runtime/sha256.h"

namespace anabranch {
namespace {

constexpr size_t kDigestBytes = 32;

absl::Status Malformed(absl::string_view reason, absl::string_view field,
                       std::optional<uint64_t> index, std::string message) {
  return RefusalStatus(Refuse(reason, field, index, std::move(message)));
}

absl::Status CheckDigest(absl::string_view field, std::optional<uint64_t> index,
                         absl::string_view digest) {
  if (digest.size() == kDigestBytes) return absl::OkStatus();
  return Malformed(kReasonWrongLength, field, index,
                   absl::StrCat("has ", digest.size(), " bytes; a SHA-256 has ", kDigestBytes));
}

}  // namespace

bool IsNewer(const v1::PolicyVersion& a, const v1::PolicyVersion& than) {
  if (a.generation() != than.generation()) return a.generation() > than.generation();
  return a.version() > than.version();
}

std::string VersionName(const v1::PolicyVersion& version) {
  return absl::StrCat(version.generation(), ".", version.version());
}

absl::Status StaleSnapshot(const v1::PolicyVersion& stale, const v1::PolicyVersion& newest,
                           absl::string_view which) {
  const std::string fence = stale.generation() < newest.generation()
                                ? absl::StrCat("; a learner of generation ", newest.generation(),
                                               " has taken over, and one of generation ",
                                               stale.generation(), " must stop")
                                : "";
  return WithReason(absl::FailedPreconditionError(absl::StrCat(
                        "snapshot ", VersionName(stale), " (generation.version) is not newer than ",
                        VersionName(newest), ", ", which, fence)),
                    kReasonStaleGeneration);
}

absl::Status CheckBlob(const v1::Blob& blob, uint64_t size, absl::string_view sha256) {
  if (size != blob.size_bytes()) {
    return WithReason(
        absl::DataLossError(absl::StrCat("blob '", blob.name(), "' has ", size,
                                         " bytes where its manifest says ", blob.size_bytes())),
        kReasonCorrupt);
  }
  if (sha256 == blob.sha256()) return absl::OkStatus();
  return WithReason(absl::DataLossError(absl::StrCat(
                        "blob '", blob.name(), "' has sha256 ", absl::BytesToHexString(sha256),
                        " where its manifest says ", absl::BytesToHexString(blob.sha256()))),
                    kReasonCorrupt);
}

absl::Status WeightStoreOptions::Validate() const {
  if (run_id.empty() || environment_fingerprint.empty()) {
    return absl::InvalidArgumentError("a weight store needs run_id and environment_fingerprint");
  }
  if (!schema_sha256.empty() && schema_sha256.size() != kDigestBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("schema_sha256 has ", schema_sha256.size(), " bytes; give 32, or none"));
  }
  if (max_snapshot_bytes == 0) {
    return absl::InvalidArgumentError("max_snapshot_bytes is 0; give at least 1");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<WeightStore>> WeightStore::Create(
    const WeightStoreOptions& options) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  return absl::WrapUnique(new WeightStore(options));
}

WeightStore::WeightStore(const WeightStoreOptions& options)
    : options_(options), schema_sha256_(options.schema_sha256) {}

absl::Status WeightStore::CheckIdentity(absl::string_view run_id,
                                        absl::string_view environment) const {
  auto mismatch = [](absl::string_view reason, absl::string_view field, absl::string_view theirs,
                     absl::string_view ours) {
    return RefusalStatus(RefuseMismatch(reason, field, theirs, ours));
  };
  if (run_id != options_.run_id) {
    return mismatch(kReasonRunMismatch, "run_id", run_id, options_.run_id);
  }
  if (environment != options_.environment_fingerprint) {
    return mismatch(kReasonEnvironmentMismatch, "environment_fingerprint", environment,
                    options_.environment_fingerprint);
  }
  return absl::OkStatus();
}

absl::Status WeightStore::CheckHandshake(const v1::Handshake& handshake) const {
  return CheckIdentity(handshake.run_id(), handshake.environment_fingerprint());
}

absl::Status WeightStore::CheckShape(const v1::SnapshotManifest& manifest) const {
  absl::Status status =
      CheckDigest("manifest.schema_sha256", std::nullopt, manifest.schema_sha256());
  if (!status.ok()) return status;
  if (manifest.policy().generation() == 0) {
    return Malformed(kReasonOutOfRange, "manifest.policy.generation", std::nullopt,
                     "is 0; the first learner of a run is 1");
  }
  if (manifest.blobs().empty()) {
    return Malformed(kReasonMissing, "manifest.blobs", std::nullopt,
                     "is empty; a snapshot has at least one");
  }
  uint64_t total = 0;
  for (int i = 0; i < manifest.blobs_size(); ++i) {
    const v1::Blob& blob = manifest.blobs(i);
    if (status = CheckDigest("manifest.blobs.sha256", i, blob.sha256()); !status.ok())
      return status;
    if (blob.size_bytes() > options_.max_snapshot_bytes - total) {
      return Malformed(kReasonTooLarge, "manifest.blobs.size_bytes", i,
                       absl::StrCat("is ", blob.size_bytes(), "; a snapshot has at most ",
                                    options_.max_snapshot_bytes, " bytes"));
    }
    total += blob.size_bytes();
  }
  return absl::OkStatus();
}

absl::Status WeightStore::CheckAgainstNewest(const v1::SnapshotManifest& manifest) const {
  if (!schema_sha256_.empty() && manifest.schema_sha256() != schema_sha256_) {
    return WithReason(
        absl::FailedPreconditionError(absl::StrCat(
            "manifest.schema_sha256 is ", absl::BytesToHexString(manifest.schema_sha256()),
            ", but ", absl::BytesToHexString(schema_sha256_),
            " is in force; start the learner with this run's policy")),
        kReasonSchemaMismatch);
  }
  if (newest_ == nullptr || IsNewer(manifest.policy(), newest_->manifest.policy())) {
    return absl::OkStatus();
  }
  return StaleSnapshot(manifest.policy(), newest_->manifest.policy(), "which is published");
}

absl::Status WeightStore::Check(const v1::SnapshotManifest& manifest) const {
  absl::Status status = CheckIdentity(manifest.run_id(), manifest.environment_fingerprint());
  if (!status.ok()) return status;
  if (status = CheckShape(manifest); !status.ok()) return status;
  absl::ReaderMutexLock lock(&mu_);
  return CheckAgainstNewest(manifest);
}

absl::Status WeightStore::Put(const v1::SnapshotManifest& manifest, std::vector<SharedBlob> blobs) {
  if (absl::Status status = Check(manifest); !status.ok()) return status;
  for (size_t i = 0; i < blobs.size() && i < static_cast<size_t>(manifest.blobs_size()); ++i) {
    const v1::Blob& blob = manifest.blobs(static_cast<int>(i));
    absl::Status status = CheckBlob(blob, blobs[i]->size(), Sha256Digest(*blobs[i]));
    if (!status.ok()) return status;
  }
  return PutVerified(manifest, std::move(blobs));
}

absl::Status WeightStore::PutVerified(const v1::SnapshotManifest& manifest,
                                      std::vector<SharedBlob> blobs) {
  absl::Status status = CheckIdentity(manifest.run_id(), manifest.environment_fingerprint());
  if (!status.ok()) return status;
  if (status = CheckShape(manifest); !status.ok()) return status;
  if (blobs.size() != static_cast<size_t>(manifest.blobs_size())) {
    return Malformed(
        kReasonWrongLength, "manifest.blobs", std::nullopt,
        absl::StrCat("names ", manifest.blobs_size(), " blobs where ", blobs.size(), " are given"));
  }
  auto snapshot = std::make_shared<HeldSnapshot>();
  snapshot->manifest = manifest;
  snapshot->blobs = std::move(blobs);
  std::shared_ptr<const HeldSnapshot> retired;  // Freed after the locks: it may be large.
  absl::MutexLock wake_lock(&wake_mu_);
  {
    absl::MutexLock lock(&mu_);
    if (status = CheckAgainstNewest(manifest); !status.ok()) return status;
    schema_sha256_ = manifest.schema_sha256();
    retired = std::move(previous_);
    previous_ = std::move(newest_);
    newest_ = std::move(snapshot);
  }
  for (const auto& [id, wake] : subscribers_) wake();
  return absl::OkStatus();
}

std::shared_ptr<const HeldSnapshot> WeightStore::Newest() const {
  absl::ReaderMutexLock lock(&mu_);
  return newest_;
}

absl::StatusOr<SharedBlob> WeightStore::Find(absl::string_view sha256) const {
  absl::ReaderMutexLock lock(&mu_);
  for (const HeldSnapshot* held : {newest_.get(), previous_.get()}) {
    if (held == nullptr) continue;
    for (size_t i = 0; i < held->blobs.size(); ++i) {
      if (held->manifest.blobs(static_cast<int>(i)).sha256() == sha256) return held->blobs[i];
    }
  }
  return absl::NotFoundError(absl::StrCat("no blob with sha256 ", absl::BytesToHexString(sha256),
                                          " is held (any more); watch for a newer snapshot"));
}

bool WeightStore::Holds(const std::string* blob) const {
  absl::ReaderMutexLock lock(&mu_);
  for (const HeldSnapshot* held : {newest_.get(), previous_.get()}) {
    if (held == nullptr) continue;
    for (const SharedBlob& other : held->blobs) {
      if (other.get() == blob) return true;
    }
  }
  return false;
}

uint64_t WeightStore::Subscribe(std::function<void()> wake) {
  absl::MutexLock lock(&wake_mu_);
  subscribers_.emplace(++last_subscription_, std::move(wake));
  return last_subscription_;
}

void WeightStore::Unsubscribe(uint64_t subscription) {
  absl::MutexLock lock(&wake_mu_);
  subscribers_.erase(subscription);
}

}  // namespace anabranch
