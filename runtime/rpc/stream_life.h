// When a client's stream that broke is opened again, and how its waiting ends from another thread.
#ifndef ANABRANCH_RUNTIME_RPC_STREAM_LIFE_H_
#define ANABRANCH_RUNTIME_RPC_STREAM_LIFE_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "runtime/log.h"
#include "runtime/retry.h"

namespace anabranch {

// Thread-safe as far as Cancel; the rest belongs to the thread that opens. `log` outlives it.
class StreamLife {
 public:
  // `name` is for the log, such as "insert stream to replay".
  StreamLife(std::string name, const BackoffOptions& backoff, uint64_t seed, Log& log)
      : name_(std::move(name)), log_(log), backoff_(backoff, seed) {}

  // The context of the try that is going on, which Cancel cancels, until Detach.
  void Attach(grpc::ClientContext* context);
  void Detach();

  // Blocks until a stream that ended with `status` should be opened again. The status itself where
  // that is no use, CANCELLED once cancelled.
  absl::Status AwaitNextTry(absl::Status status);
  // Something came through: the next break is a new one.
  void Succeeded();

  // Ends every waiting, now and later.
  void Cancel();
  bool cancelled() const;

 private:
  const std::string name_;
  Log& log_;
  Backoff backoff_;
  mutable absl::Mutex mu_;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  grpc::ClientContext* context_ ABSL_GUARDED_BY(mu_) = nullptr;
};

// How a stream ended on which more was expected. Never OK: a server that ends it in order, or
// cancels it, may be asked again (UNAVAILABLE); it is for the client to know what it cancelled.
absl::Status StatusOfBrokenStream(const grpc::Status& status);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_STREAM_LIFE_H_
