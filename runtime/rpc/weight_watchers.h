// The server's side of WeightsService.Watch: who watches, and what each was told last.
#ifndef ANABRANCH_RUNTIME_RPC_WEIGHT_WATCHERS_H_
#define ANABRANCH_RUNTIME_RPC_WEIGHT_WATCHERS_H_

#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "anabranch/v1/weights.pb.h"
#include "runtime/rpc/weight_store.h"

namespace anabranch {

using WatchReactor = grpc::ServerWriteReactor<v1::WatchResponse>;

// Every watcher is a call without a thread and has at most one message on its way; what is
// published in the meantime replaces what it would have got next. So a watcher that reads slowly,
// or not at all, costs one message and delays nobody. Thread-safe.
class WeightWatchers {
 public:
  explicit WeightWatchers(size_t max_watchers) : max_watchers_(max_watchers) {}
  // The server is gone by now, and with it all calls.
  ~WeightWatchers();

  // Takes the call on. It is told of the store's newest at once if that is newer than what it
  // knows. RESOURCE_EXHAUSTED, reason OVERLOADED, beyond `max_watchers`; UNAVAILABLE, reason
  // DRAINING, after Shutdown. The reactor deletes itself.
  WatchReactor* Add(const v1::WatchRequest& request, const WeightStore& store);
  // Tells all whose last notice was an older one.
  void Announce(const std::shared_ptr<const HeldSnapshot>& newest);
  // Ends all watches with UNAVAILABLE, reason DRAINING. Returns when they are over, or after
  // `grace`, which those use up that don't read: the server's own stop cancels them.
  void Shutdown(absl::Duration grace);

  int64_t count() const;

 private:
  class Watcher;

  void Remove(Watcher* watcher);

  const size_t max_watchers_;
  mutable absl::Mutex mu_;
  std::vector<std::shared_ptr<Watcher>> watchers_ ABSL_GUARDED_BY(mu_);
  bool shut_down_ ABSL_GUARDED_BY(mu_) = false;
};

// A call that is over before it begins.
WatchReactor* RefuseWatch(const absl::Status& status);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_WEIGHT_WATCHERS_H_
