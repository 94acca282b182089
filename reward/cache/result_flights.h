// Which results somebody is asking for right now, so that nobody else asks for them too.
#ifndef ANABRANCH_REWARD_CACHE_RESULT_FLIGHTS_H_
#define ANABRANCH_REWARD_CACHE_RESULT_FLIGHTS_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "reward/cache/result_columns.h"
#include "reward/cache/result_store.h"

namespace anabranch {

// What one request found out about the objects that it leads. Written once, before `landed`.
struct ResultFlight : std::enable_shared_from_this<ResultFlight> {
  absl::Notification landed;
  absl::Status status;             // Of the whole request.
  std::string fingerprint;         // That the results belong to.
  ResultRows rows;                 // By row; empty when the request failed.
  std::vector<LaterResult> later;  // Their positions are rows, ascending.
  bool awaited = false;            // Belongs to ResultFlights.
};

// Thread-safe. A request boards all its objects at once, asks for those that it leads, lands, and
// only then waits for the others' flights: so nobody waits for somebody who waits.
class ResultFlights {
 public:
  // An object that somebody else leads: row `row` of `flight` is its result.
  struct Join {
    int position = 0;
    std::shared_ptr<ResultFlight> flight;
    int row = 0;
  };
  struct Boarding {
    std::shared_ptr<ResultFlight> flight;  // The own one; null before boarding.
    std::vector<int> leads;                // Positions of its rows.
    std::vector<Join> joins;               // The own flight's too, for repeats in the request.
    bool others_landed = false;            // Since `seen`: what was looked up before may be known.
  };

  // How many have landed, to be read before results are looked up.
  uint64_t seen() const;
  // Keys of leads must stay where they are until Land. Positions with an empty key are left out.
  Boarding Board(std::span<const int> positions, std::span<const ResultKey> keys, uint64_t seen);
  // Takes the led objects off; what was learned is where others look for it by now. Says whether
  // anybody waits for the flight (also the request itself), which is to be filled and notified
  // then.
  bool TakeOff(const Boarding& boarding, std::span<const ResultKey> keys);

 private:
  struct Seat {
    ResultFlight* flight = nullptr;  // Whose owner takes it off.
    int row = 0;
  };
  struct Hash {
    size_t operator()(const ResultKey& key) const { return key.hash; }
  };
  struct Equal {
    bool operator()(const ResultKey& a, const ResultKey& b) const {
      return a.hash == b.hash && a.bytes == b.bytes;
    }
  };

  mutable absl::Mutex mu_;
  absl::flat_hash_map<ResultKey, Seat, Hash, Equal> seats_ ABSL_GUARDED_BY(mu_);
  uint64_t landed_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_CACHE_RESULT_FLIGHTS_H_
