// Single answers of an oracle by key, as many as fit.
#ifndef ANABRANCH_REWARD_RESULT_STORE_H_
#define ANABRANCH_REWARD_RESULT_STORE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "anabranch/v1/reward.pb.h"

namespace anabranch {

// What became of one object, m values. Immutable once shared.
struct ObjectResult {
  v1::ObjectStatus status = v1::OBJECT_STATUS_UNSPECIFIED;
  std::vector<double> values;           // [m]
  std::vector<uint8_t> valid;           // [m]
  std::vector<double> standard_errors;  // [m] or empty.
  std::string reason;
};

struct ResultStoreOptions {
  int64_t max_entries = 100'000;           // At least 2.
  int64_t max_bytes = int64_t{256} << 20;  // Of keys and results, at least 4096.

  absl::Status Validate() const;
};

// Two generations in each of a few shards: what is found in the old one moves to the young one;
// when the young one is half of the shard it becomes the old one, and what was in the old one goes.
// So every operation takes constant time, and what was used lately stays. Thread-safe.
class ResultStore {
 public:
  struct Totals {
    int64_t hits = 0;
    int64_t misses = 0;
    int64_t evictions = 0;
    int64_t entries = 0;  // Now.
    int64_t bytes = 0;    // Now.
  };

  // The options are valid.
  explicit ResultStore(const ResultStoreOptions& options);

  // Null where there is none.
  std::shared_ptr<const ObjectResult> Find(absl::string_view key);
  // Replaces what is there. One that is larger than half a shard isn't kept.
  void Put(std::string key, std::shared_ptr<const ObjectResult> result);
  Totals totals() const;

 private:
  using Results = absl::flat_hash_map<std::string, std::shared_ptr<const ObjectResult>>;
  struct Generation {
    Results results;
    int64_t bytes = 0;
  };
  struct Shard {
    mutable absl::Mutex mu;
    Generation young ABSL_GUARDED_BY(mu);
    Generation old ABSL_GUARDED_BY(mu);
    Totals totals ABSL_GUARDED_BY(mu);
  };

  Shard& ShardOf(absl::string_view key);
  // Into the young generation, where it isn't. What goes is put into `gone`, to be freed without
  // the lock.
  void Add(Shard& shard, std::string key, std::shared_ptr<const ObjectResult> result,
           Generation& gone) ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mu);

  const int64_t shards_count_;
  const int64_t half_entries_;  // Of a shard.
  const int64_t half_bytes_;
  const std::unique_ptr<Shard[]> shards_;
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_RESULT_STORE_H_
