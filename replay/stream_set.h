// The streams that a server has open.
#ifndef ANABRANCH_REPLAY_STREAM_SET_H_
#define ANABRANCH_REPLAY_STREAM_SET_H_

#include <cstddef>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace anabranch {

// A stream that a StreamSet keeps track of.
class LiveStream {
 public:
  virtual ~LiveStream() = default;
  // The server is on its way out: the stream ends with `why` as soon as nothing of it is half done.
  virtual void End(const absl::Status& why) = 0;
};

// The streams that are open, and a thread that destroys those that are over: gRPC says so in a
// thread that must not wait for the stream's worker. Thread-safe.
class StreamSet {
 public:
  explicit StreamSet(size_t max_streams);
  // Blocks until all are over; the server that feeds them has been stopped.
  ~StreamSet();

  // False, and nothing happens, if there are too many.
  bool Add(LiveStream* stream);
  // A stream is over and owned by the set from here on.
  void Retire(LiveStream* stream);
  // Ends the open ones, and each that comes later.
  void End(const absl::Status& why);
  size_t size() const;
  // Blocks until none is open; false at the deadline.
  bool AwaitNone(absl::Time deadline) const;

 private:
  void Reap();

  const size_t max_streams_;
  mutable absl::Mutex mu_;  // Before a stream's own.
  absl::flat_hash_set<LiveStream*> open_ ABSL_GUARDED_BY(mu_);
  std::vector<LiveStream*> retired_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status ended_ ABSL_GUARDED_BY(mu_);  // OK until End.
  std::thread reaper_;
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_STREAM_SET_H_
