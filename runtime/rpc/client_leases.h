// Which leases a client of replay holds, and what the server may not have heard about them yet.
#ifndef ANABRANCH_RUNTIME_RPC_CLIENT_LEASES_H_
#define ANABRANCH_RUNTIME_RPC_CLIENT_LEASES_H_

#include <cstdint>
#include <deque>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "anabranch/v1/replay.pb.h"

namespace anabranch {

// A message on a stream that breaks may or may not have arrived, so it is kept until something
// comes back that proves it, and said again on the next stream otherwise: to acknowledge twice does
// no harm. What proves it is a batch that was sent for credits that were granted later. Not
// thread-safe.
class ClientLeases {
 public:
  // A stream was opened with this start of the server. Another than before: its leases are void,
  // and what is done under them can't be acknowledged any more. The same: everything unproven is
  // said again.
  void Opened(uint64_t server_incarnation);

  // A batch with this lease was handed to its user; 0 is no lease.
  void Take(uint64_t lease);
  // The user is done with it. False: it is void, or was never taken.
  bool Acknowledge(uint64_t lease);
  // What the next opening says is still held: taken, or done with and not proven to be known.
  void ListHeld(v1::SampleOpening& opening) const;

  // It is given up without having been taken.
  void Release(uint64_t lease);
  // All that were taken are given up.
  void ReleaseTaken();

  bool HasUnsaid() const { return unsaid_ < done_.size(); }
  // Everything unsaid; from here on it counts as said after `granted` credits.
  v1::SampleAcknowledgement Say(uint64_t granted);
  // The `received`th batch of this stream came: the server has read the grant it was sent for.
  void Proven(uint64_t received);

 private:
  struct Done {
    uint64_t lease = 0;
    bool released = false;
    uint64_t granted = 0;  // Credits on the stream when it was said.
  };

  uint64_t incarnation_ = 0;
  absl::flat_hash_set<uint64_t> taken_;
  // Taken under an earlier start, whose numbers may come again: the older one is acknowledged
  // first.
  absl::flat_hash_map<uint64_t, int> void_;
  std::deque<Done> done_;
  size_t unsaid_ = 0;  // Index of the first in done_ that is to be said.
};

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_CLIENT_LEASES_H_
