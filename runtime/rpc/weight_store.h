// The newest snapshot of a run's weights, as bytes that are checked: what a learner serves its
// actors from, and what a holder such as replay keeps beside it.
#ifndef ANABRANCH_RUNTIME_RPC_WEIGHT_STORE_H_
#define ANABRANCH_RUNTIME_RPC_WEIGHT_STORE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "anabranch/v1/identity.pb.h"
#include "anabranch/v1/weights.pb.h"

namespace anabranch {

// Immutable once shared. A blob lives as long as somebody reads it.
using SharedBlob = std::shared_ptr<const std::string>;

struct HeldSnapshot {
  v1::SnapshotManifest manifest;
  std::vector<SharedBlob> blobs;  // In the manifest's order.
};

// By generation, then by version.
bool IsNewer(const v1::PolicyVersion& a, const v1::PolicyVersion& than);
// Such as "2.17": version 17 of generation 2.
std::string VersionName(const v1::PolicyVersion& version);

struct WeightStoreOptions {
  std::string run_id;
  std::string environment_fingerprint;
  // 32 bytes; empty where the first snapshot is to decide, as for a holder that knows no networks.
  std::string schema_sha256;
  // All blobs of a snapshot together.
  uint64_t max_snapshot_bytes = uint64_t{4} << 30;

  absl::Status Validate() const;
};

// Holds the newest snapshot and the one before it, so that a fetch that has just begun is not cut
// off. A snapshot that is refused leaves things as they were. Thread-safe; only Put of bytes that
// have no digest yet takes long, and it locks nothing while it does.
class WeightStore {
 public:
  static absl::StatusOr<std::unique_ptr<WeightStore>> Create(const WeightStoreOptions& options);

  // FAILED_PRECONDITION names the field and both values where a client means another run or another
  // environment (reasons RUN_MISMATCH and ENVIRONMENT_MISMATCH).
  absl::Status CheckHandshake(const v1::Handshake& handshake) const;
  // What can be said against a snapshot before its bytes are here. INVALID_ARGUMENT names the field
  // that is malformed; FAILED_PRECONDITION as CheckHandshake, with reason SCHEMA_MISMATCH for
  // another network's, and with reason STALE_GENERATION, naming both versions, for one that is not
  // newer than the newest here.
  absl::Status Check(const v1::SnapshotManifest& manifest) const;

  // Makes it the newest. As Check; and DATA_LOSS with reason CORRUPT for bytes of another size or
  // another digest than the manifest says.
  absl::Status Put(const v1::SnapshotManifest& manifest, std::vector<SharedBlob> blobs);
  // The same for bytes whose digests the caller has just computed.
  absl::Status PutVerified(const v1::SnapshotManifest& manifest, std::vector<SharedBlob> blobs);

  // Null before the first.
  std::shared_ptr<const HeldSnapshot> Newest() const;
  // NOT_FOUND for a blob that is not, or no longer, here.
  absl::StatusOr<SharedBlob> Find(absl::string_view sha256) const;
  // Whether this very blob is held, and not only kept alive by who reads it.
  bool Holds(const std::string* blob) const;

  // `wake` is called after each change, in the thread that made it, and must be quick: it asks for
  // Newest() elsewhere. Calls don't overlap, and none runs after Unsubscribe has returned. `wake`
  // neither subscribes nor puts.
  uint64_t Subscribe(std::function<void()> wake);
  void Unsubscribe(uint64_t subscription);

 private:
  explicit WeightStore(const WeightStoreOptions& options);

  absl::Status CheckIdentity(absl::string_view run_id, absl::string_view environment) const;
  absl::Status CheckShape(const v1::SnapshotManifest& manifest) const;
  absl::Status CheckAgainstNewest(const v1::SnapshotManifest& manifest) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);

  const WeightStoreOptions options_;

  // Held while subscribers are woken, so that Unsubscribe waits for that; taken before mu_.
  absl::Mutex wake_mu_ ABSL_ACQUIRED_BEFORE(mu_);
  std::map<uint64_t, std::function<void()>> subscribers_ ABSL_GUARDED_BY(wake_mu_);
  uint64_t last_subscription_ ABSL_GUARDED_BY(wake_mu_) = 0;

  mutable absl::Mutex mu_;
  std::string schema_sha256_ ABSL_GUARDED_BY(mu_);  // Empty until it is known.
  std::shared_ptr<const HeldSnapshot> newest_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<const HeldSnapshot> previous_ ABSL_GUARDED_BY(mu_);
};

// FAILED_PRECONDITION with reason STALE_GENERATION, naming both; `which` says what the newest is.
absl::Status StaleSnapshot(const v1::PolicyVersion& stale, const v1::PolicyVersion& newest,
                           absl::string_view which);
// DATA_LOSS with reason CORRUPT unless `size` and `sha256` are what `blob` says.
absl::Status CheckBlob(const v1::Blob& blob, uint64_t size, absl::string_view sha256);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_WEIGHT_STORE_H_
