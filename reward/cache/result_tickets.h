// Objects that an oracle has accepted and not answered yet.
#ifndef ANABRANCH_REWARD_CACHE_RESULT_TICKETS_H_
#define ANABRANCH_REWARD_CACHE_RESULT_TICKETS_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "anabranch/v1/reward.pb.h"
#include "anabranch/v1/reward_state.pb.h"
#include "runtime/key_value_store.h"
#include "runtime/log.h"

namespace anabranch {

// The ticket that callers hold for an object: the same for the same object wherever and whenever it
// is asked for, so nobody can lose it. 32 hexadecimal digits of a hash over format, context key (or
// prompt, where it has no key) and object. Empty where the object has no content. A context that
// isn't there counts as none.
std::string TicketOf(const v1::EvaluateRequest& request, const v1::RewardObject& object);

// By family (what else a request asks for: environment, format, objectives) and ticket.
// Thread-safe. Store (may be null) and log outlive it. No lock is held while the disk works.
class ResultTickets {
 public:
  using Record = std::shared_ptr<const v1::KeptTicket>;
  struct Change {
    std::string family;
    v1::KeptTicket record;  // With `answered` it isn't pending any more.
  };

  ResultTickets(std::string oracle, KeyValueStore* store, Log& log);

  // What an earlier process kept. What the store says; DATA_LOSS for content that is no ticket.
  absl::Status Load();
  // Cheap, and exact for whoever has seen the changes otherwise.
  bool any() const { return pending_.load(std::memory_order_acquire) > 0; }
  // Null where there is none that is pending.
  Record Find(absl::string_view family, absl::string_view ticket) const;
  // Also one that was answered, for as long as there is a store. May block for the disk.
  Record FindAny(absl::string_view family, absl::string_view ticket) const;
  // In memory at once, and on disk, flushed, on return. A disk that fails is warned of once.
  void Apply(std::vector<Change> changes);

  int64_t pending() const { return pending_.load(std::memory_order_acquire); }
  // InfiniteFuture where none is pending.
  absl::Time OldestSince() const;
  std::vector<std::string> UpstreamTickets() const;

 private:
  std::string DiskKey(absl::string_view family, absl::string_view ticket) const;

  const std::string prefix_;  // On disk.
  const std::string oracle_;
  KeyValueStore* const store_;
  Log& log_;
  std::atomic<int64_t> pending_ = 0;
  std::atomic<bool> warned_ = false;
  mutable absl::Mutex mu_;
  absl::flat_hash_map<std::string, Record> records_ ABSL_GUARDED_BY(mu_);  // By DiskKey.
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_CACHE_RESULT_TICKETS_H_
