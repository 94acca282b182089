// What the two kinds of streams of the replay service have in common: gRPC's events on one side, a
// worker thread that may block on the other.
#ifndef ANABRANCH_REPLAY_REPLAY_RPC_STREAM_H_
#define ANABRANCH_REPLAY_REPLAY_RPC_STREAM_H_

#include <grpcpp/support/server_callback.h>

#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "replay/cancel_token.h"
#include "replay/replay_service.h"
#include "runtime/rpc/grpc_status.h"

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
