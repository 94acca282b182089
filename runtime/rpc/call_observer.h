// Watches a server's calls: how long each took and how it ended, and whether any still runs.
#ifndef ANABRANCH_RUNTIME_RPC_CALL_OBSERVER_H_
#define ANABRANCH_RUNTIME_RPC_CALL_OBSERVER_H_

#include <grpcpp/support/server_interceptor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "runtime/metrics.h"

namespace anabranch {

// Observes anabranch_rpc_seconds{method, code}; for streams, the time of the whole stream. Calls of
// gRPC's own services (health, reflection) are neither timed nor counted: who watches a server's
// health doesn't hold up its end. Thread-safe.
class CallObserver {
 public:
  explicit CallObserver(Metrics& metrics);

  void Began();
  void Ended();
  void Observe(const std::string& method, int code, absl::Duration duration);
  // Whether no call runs.
  bool None() const;

 private:
  Metrics& metrics_;
  mutable absl::Mutex mutex_;
  int64_t running_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::pair<std::string, int>, prometheus::Histogram*> seconds_ ABSL_GUARDED_BY(mutex_);
};

// One interceptor for each call that is observed. The observer is shared: gRPC keeps the factory
// for as long as it likes.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MakeCallInterceptors(
    std::shared_ptr<CallObserver> observer);

// "UNAVAILABLE" for 14; numbers that are no code are "UNKNOWN".
absl::string_view CodeName(int code);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_CALL_OBSERVER_H_
