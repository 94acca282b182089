// Ends somebody's waiting from another thread.
#ifndef ANABRANCH_REPLAY_CANCEL_TOKEN_H_
#define ANABRANCH_REPLAY_CANCEL_TOKEN_H_

#include <atomic>

namespace anabranch {

// Handed to calls that may wait; once cancelled (TableSet::Cancel), those that wait with it and all
// that come later with it end with CANCELLED. Must outlive the calls. Thread-safe.
class CancelToken {
 public:
  CancelToken() = default;
  CancelToken(const CancelToken&) = delete;
  CancelToken& operator=(const CancelToken&) = delete;

  bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }

 private:
  friend class TableSet;  // Sets it under its lock, so that no waiter misses it.
  std::atomic<bool> cancelled_{false};
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_CANCEL_TOKEN_H_
