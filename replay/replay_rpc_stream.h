// What the two kinds of streams of the replay service have in common: gRPC's events on one side, a
// worker thread that may block on the other.
#ifndef ANABRANCH_REPLAY_REPLAY_RPC_STREAM_H_
#define ANABRANCH_REPLAY_REPLAY_RPC_STREAM_H_

#include <grpcpp/support/server_callback.h>

#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "replay/cancel_token.h"
#include "replay/replay_service.h"
#include "replay/stream_set.h"
#include "runtime/rpc/grpc_status.h"

namespace anabranch {

// gRPC's callbacks never wait: they hand what they learn to the worker, which begins with the first
// message and is the only one that writes and that finishes the stream.
template <typename Request, typename Response>
class WorkerStream : public grpc::ServerBidiReactor<Request, Response>, public LiveStream {
 public:
  WorkerStream(ReplayService& service, StreamSet& set) : service_(service), set_(set) {}
  ~WorkerStream() override {
    if (worker_.joinable()) worker_.join();
  }
  // After the set has it.
  void Begin() { this->StartRead(&request_); }

  void OnReadDone(bool ok) final {
    absl::Status status = ok ? Receive(request_) : absl::OkStatus();
    const bool go_on = ok && status.ok();
    if (!go_on) {
      const bool abandon = !status.ok() || EndsWithReads();
      absl::MutexLock lock(&mu_);
      fault_ = std::move(status);
      reads_over_ = true;
      if (abandon) service_.Cancel(token_);
    }
    if (!worker_.joinable()) worker_ = std::thread([this] { this->Finish(ToGrpcStatus(Run())); });
    if (go_on) this->StartRead(&request_);
  }
  void OnWriteDone(bool ok) final {
    absl::MutexLock lock(&mu_);
    writing_ = false;
    broken_ |= !ok;
  }
  void OnCancel() final {
    absl::MutexLock lock(&mu_);
    broken_ = true;
    service_.Cancel(token_);
  }
  void OnDone() final { set_.Retire(this); }
  void End(const absl::Status& why) final {
    absl::MutexLock lock(&mu_);
    ended_ = why;
  }

 protected:
  // Takes a request in; never waits. An error ends the stream with it.
  virtual absl::Status Receive(Request& request) = 0;
  // The worker's life; what it returns is the stream's status.
  virtual absl::Status Work() = 0;
  // Whether the client's half-close ends what the worker waits for.
  virtual bool EndsWithReads() const = 0;

  // Blocks until the write before is done, then starts this one, which stays as it is meanwhile.
  // False if the stream is broken.
  bool StartWriting(const Response* response) {
    if (!AwaitWritten()) return false;
    {
      absl::MutexLock lock(&mu_);
      writing_ = true;
    }
    this->StartWrite(response);
    return true;
  }
  bool AwaitWritten() {
    absl::MutexLock lock(&mu_);
    const auto written = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return !writing_; };
    mu_.Await(absl::Condition(&written));
    return !broken_;
  }

  ReplayService& service_;
  StreamSet& set_;
  CancelToken token_;  // Of whatever the worker waits for in the service.
  // Guards what the worker waits for; before the tables' own.
  absl::Mutex mu_;
  bool reads_over_ ABSL_GUARDED_BY(mu_) = false;  // Half-closed, broken, or fault_.
  bool broken_ ABSL_GUARDED_BY(mu_) = false;      // Nothing reaches the client any more.
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status fault_ ABSL_GUARDED_BY(mu_);  // What was wrong with a request.
  absl::Status ended_ ABSL_GUARDED_BY(mu_);  // Why the server ends the stream.

 private:
  absl::Status Run() {
    absl::Status status = Work();
    AwaitWritten();
    absl::MutexLock lock(&mu_);
    return fault_.ok() ? status : fault_;
  }

  Request request_;
  std::thread worker_;  // Set before the second read, so never by two threads.
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_REPLAY_RPC_STREAM_H_
