// Every terminal object that the run has found, once.
#ifndef ANABRANCH_REPLAY_OBJECT_STORE_H_
#define ANABRANCH_REPLAY_OBJECT_STORE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "anabranch/v1/replay.pb.h"
#include "anabranch/v1/replay_state.pb.h"
#include "replay/chunk.h"
#include "replay/object_query.h"
#include "replay/object_record.h"

namespace anabranch {

// One record per (object, condition). A second visit counts and updates the last policy; if it
// brings other raw values (a noisy oracle), the record keeps their mean over evaluations and the
// latest log-reward; the same values again are the same evaluation. Full, it forgets the object
// with the lowest log-reward (the newest of equals; objects that aren't OK have −infinity); a new
// object that would be forgotten at once is not admitted. A forgotten object that is found again
// starts anew, so with a bound `visits` is a lower bound for objects at the bottom. Thread-safe.
class ObjectStore {
 public:
  // Most objects kept; 0 = no limit.
  explicit ObjectStore(int64_t max_objects) : max_objects_(max_objects) {}

  // The terminal object of every row. Rows of a batch without object keys are passed over. `now` is
  // absl::InfinitePast() where there is no clock.
  void Add(const Chunk& chunk, absl::Time now);

  int64_t size() const;
  // Objects that made room, and objects that were not admitted.
  int64_t evicted() const;
  int64_t not_admitted() const;

  // At most `limit` objects that come after `cursor` (empty: from the beginning) in the query's
  // order. A page follows the state of its own moment: an object whose place changes between two
  // pages may be missed or given twice. INVALID_ARGUMENT names the field.
  absl::StatusOr<v1::QueryObjectsResponse> Query(const v1::ObjectQuery& query, uint64_t limit,
                                                 const std::string& cursor) const;

  void Save(v1::ObjectStoreState& state) const;
  // Replaces everything. DATA_LOSS if the state contradicts itself; the store is empty then.
  absl::Status Restore(const v1::ObjectStoreState& state);

 private:
  // Who goes first: lowest log-reward, of equals the newest.
  struct Rank {
    double log_reward;
    uint64_t age;  // −ordinal, as unsigned.
    uint32_t slot;
    friend auto operator<=>(const Rank&, const Rank&) = default;
  };
  static Rank RankOf(const ObjectRecord& record, uint32_t slot) {
    return {record.log_reward, ~record.ordinal, slot};
  }
  std::span<double> Values(uint32_t slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return {values_.data() + slot * num_objectives_, num_objectives_};
  }
  std::span<const double> Values(uint32_t slot) const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return {values_.data() + slot * num_objectives_, num_objectives_};
  }

  void PrefetchRecord(const ObjectName& name) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  void Visit(uint32_t slot, const Chunk& chunk, int row, int64_t micros)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AddNew(const ObjectName& name, const Chunk& chunk, int row, int64_t micros,
              std::vector<std::string>& garbage) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // A slot for a new object with this log-reward, or −1 if it isn't admitted.
  int64_t FindRoom(double log_reward, std::vector<std::string>& garbage)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Takes over status, raw values and log-reward of a row.
  void Evaluate(uint32_t slot, const v1::TrajectoryBatch& batch, int row)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Learn(const v1::TrajectoryBatch& batch, std::span<const Key128> conditions)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status RestoreRows(const v1::ObjectStoreState& state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AppendTo(uint32_t slot, v1::ObjectBatch& batch,
                absl::flat_hash_map<Key128, uint32_t>& conditions) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  void Clear() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const int64_t max_objects_;
  mutable absl::Mutex mu_;
  v1::ObjectBatch header_ ABSL_GUARDED_BY(mu_);  // Names and formats; no rows.
  size_t num_objectives_ ABSL_GUARDED_BY(mu_) = 0;
  absl::flat_hash_map<ObjectName, uint32_t> index_ ABSL_GUARDED_BY(mu_);  // To slots.
  std::vector<ObjectRecord> records_ ABSL_GUARDED_BY(mu_);                // By slot, all in use.
  std::vector<double> values_ ABSL_GUARDED_BY(mu_);                       // [slots, objectives]
  absl::btree_set<Rank> ranking_ ABSL_GUARDED_BY(mu_);  // All, once the store has been full.
  absl::flat_hash_map<Key128, v1::Conditions> conditions_ ABSL_GUARDED_BY(mu_);  // One entry each.
  uint64_t next_ordinal_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t evicted_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t not_admitted_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_OBJECT_STORE_H_
