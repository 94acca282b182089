// Which leases a sample stream has handed out, over the connections that carry it.
#ifndef ANABRANCH_REPLAY_STREAM_LEASES_H_
#define ANABRANCH_REPLAY_STREAM_LEASES_H_

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace anabranch {

// The leases of all sample streams, those that broke included while their time runs, so that a
// stream that takes the place of another can give up what never arrived. What is returned is for
// the caller to release. Times are passed in. Thread-safe.
class StreamLeases {
 public:
  // Numbers of streams are counted from `base`.
  explicit StreamLeases(uint64_t base) : next_(base) {}

  // A stream begins; gives its number, never 0. It takes the place of `resumed`, and its leases in
  // `held`, if that is known; `dropped` gets the others.
  uint64_t Open(uint64_t resumed, std::span<const uint64_t> held, absl::Time now,
                std::vector<uint64_t>& dropped);
  // False if another has taken its place: nobody will get what was drawn.
  bool Add(uint64_t stream, uint64_t lease, absl::Time end);
  // They were acknowledged, or released by their client, on whichever stream.
  void Remove(uint64_t stream, std::span<const uint64_t> leases);
  // The stream is over and nobody will resume it; gives its leases.
  std::vector<uint64_t> Close(uint64_t stream);
  // The stream broke: another may take its place until its leases are over.
  void Break(uint64_t stream);

 private:
  struct Leased {
    uint64_t lease = 0;
    absl::Time end;
  };
  struct Stream {
    std::deque<Leased> leases;  // Oldest first.
    bool broken = false;
  };

  absl::Mutex mu_;
  uint64_t next_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<uint64_t, Stream> streams_ ABSL_GUARDED_BY(mu_);
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_STREAM_LEASES_H_
