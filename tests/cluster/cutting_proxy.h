// A network between client and server that fails as networks do.
#ifndef ANABRANCH_TESTS_CLUSTER_CUTTING_PROXY_H_
#define ANABRANCH_TESTS_CLUSTER_CUTTING_PROXY_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "gflownet/random.h"

namespace anabranch {

// Forwards TCP connections on loopback. Each lives for a number of bytes that is drawn for it, then
// it is reset, or half closed (the client reads the end, while what it writes goes nowhere), in
// turn; every so often one goes silent for a second instead, and nobody is told.
// Thread-safe.
class CuttingProxy {
 public:
  // `to` is the server's port. Lives are drawn up to `longest_bytes`.
  CuttingProxy(uint16_t to, int64_t longest_bytes, uint64_t seed);
  // Ends all connections.
  ~CuttingProxy();

  uint16_t port() const { return port_; }
  int64_t resets() const { return resets_; }
  int64_t half_closed() const { return half_closed_; }
  int64_t silent() const { return silent_; }

 private:
  enum class Fate { kReset, kHalfClosed, kSilent };
  struct Link;

  void Accept();
  void Serve(Link& link);
  // Forwards what there is; false when one side has ended.
  bool Pump(Link& link, int from, int to);
  void End(Link& link);

  const uint16_t to_;
  const int64_t longest_bytes_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<int64_t> resets_ = 0, half_closed_ = 0, silent_ = 0;
  absl::Mutex mu_;
  RandomStream random_ ABSL_GUARDED_BY(mu_);
  int64_t links_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mu_);
  std::thread acceptor_;
};

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_CLUSTER_CUTTING_PROXY_H_
