// Ends waits in poll() from another thread.
#ifndef ANABRANCH_REWARD_ADAPTERS_CANCEL_EVENT_H_
#define ANABRANCH_REWARD_ADAPTERS_CANCEL_EVENT_H_

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace anabranch {

// Once set it stays so. Thread-safe.
class CancelEvent {
 public:
  CancelEvent() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~CancelEvent() {
    if (fd_ >= 0) close(fd_);
  }
  CancelEvent(const CancelEvent&) = delete;
  CancelEvent& operator=(const CancelEvent&) = delete;

  void Set() {
    set_.store(true, std::memory_order_release);
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(fd_, &one, sizeof(one));
  }
  bool is_set() const { return set_.load(std::memory_order_acquire); }
  // Readable once it is set; -1, which poll() passes over, where there are no descriptors left.
  int fd() const { return fd_; }

 private:
  const int fd_;
  std::atomic<bool> set_ = false;
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_ADAPTERS_CANCEL_EVENT_H_
