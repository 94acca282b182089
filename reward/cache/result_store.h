// Single answers of an oracle by key, as many as fit.
#ifndef ANABRANCH_REWARD_CACHE_RESULT_STORE_H_
#define ANABRANCH_REWARD_CACHE_RESULT_STORE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "anabranch/v1/reward.pb.h"

namespace anabranch {

// What became of one object, m values. Immutable once shared.
struct ObjectResult {
  v1::ObjectStatus status = v1::OBJECT_STATUS_UNSPECIFIED;
  absl::InlinedVector<double, 2> values;           // [m]
  absl::InlinedVector<uint8_t, 8> valid;           // [m]
  absl::InlinedVector<double, 1> standard_errors;  // [m] or empty.
  std::string reason;
  // Of an oracle that varies (otherwise 0 and empty): `values` are means of so many evaluations.
  uint32_t evaluations = 0;
  absl::InlinedVector<uint32_t, 1> value_evaluations;  // [m] Those in which the value counted.
  absl::InlinedVector<double, 1> squared_deviations;   // [m] From the mean, summed.
};

// The bytes that name a result, hashed once. They belong to somebody else.
struct ResultKey {
  ResultKey() = default;
  explicit ResultKey(absl::string_view key);

  bool empty() const { return bytes.empty(); }

  absl::string_view bytes;
  uint64_t hash = 0;
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
    int64_t evictions = 0;
    int64_t entries = 0;  // Now.
    int64_t bytes = 0;    // Now.
  };

  // The options are valid.
  explicit ResultStore(const ResultStoreOptions& options);

  // Null where there is none.
  std::shared_ptr<const ObjectResult> Find(const ResultKey& key);
  // Replaces what is there. One that is larger than half a shard isn't kept.
  void Put(const ResultKey& key, std::shared_ptr<const ObjectResult> result);
  // Whether it may have been put and be no longer there.
  bool MayHaveForgotten(const ResultKey& key);
  Totals totals() const;

 private:
  struct Stored {
    std::string bytes;
    uint64_t hash = 0;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(const Stored& key) const { return key.hash; }
    size_t operator()(const ResultKey& key) const { return key.hash; }
  };
  struct Equal {
    using is_transparent = void;
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return a.hash == b.hash && a.bytes == b.bytes;
    }
  };
  using Results = absl::flat_hash_map<Stored, std::shared_ptr<const ObjectResult>, Hash, Equal>;
  struct Generation {
    Results results;
    int64_t bytes = 0;
  };
  struct Shard {
    mutable absl::Mutex mu;
    Generation young ABSL_GUARDED_BY(mu);
    Generation old ABSL_GUARDED_BY(mu);
    bool forgotten ABSL_GUARDED_BY(mu) = false;  // Something was evicted, or too large.
    int64_t evictions ABSL_GUARDED_BY(mu) = 0;
  };

  Shard& ShardOf(const ResultKey& key);
  // Into the young generation, where it isn't. What goes is put into `gone`, to be freed without
  // the lock.
  void Add(Shard& shard, Stored key, std::shared_ptr<const ObjectResult> result, Generation& gone)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mu);

  const int64_t shards_count_;
  const int64_t half_entries_;  // Of a shard.
  const int64_t half_bytes_;
  const std::unique_ptr<Shard[]> shards_;
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_CACHE_RESULT_STORE_H_
