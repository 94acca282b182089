// WeightsService over a store of snapshots: in the learner, and in every holder.
#ifndef ANABRANCH_RUNTIME_RPC_WEIGHTS_SERVICE_H_
#define ANABRANCH_RUNTIME_RPC_WEIGHTS_SERVICE_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>
#include <grpcpp/support/sync_stream.h>

#include <cstdint>
#include <list>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "anabranch/v1/weights.grpc.pb.h"
#include "runtime/log.h"
#include "runtime/rpc/weight_store.h"
#include "runtime/rpc/weight_transfers.h"
#include "runtime/rpc/weight_watchers.h"

namespace anabranch {

struct WeightsServiceOptions {
  // Between two rounds of notices; the first after a pause goes out at once. Bounds what a learner
  // with quick steps and many watchers spends on notices that nobody can follow.
  absl::Duration min_notice_interval = absl::Milliseconds(5);
  int max_watchers = 4096;
  // Publications that may be under way at once, each of which may hold a whole snapshot. One more
  // breaks off the one that began first.
  int max_publications = 4;
  // Superseded blobs that slow readers may keep alive.
  int max_retired_blobs = 8;
  // How long Shutdown waits for watchers that don't read.
  absl::Duration shutdown_grace = absl::Seconds(1);

  absl::Status Validate() const;
};

// Watch and Fetch take no thread each; Publish takes one. One thread of its own tells the watchers,
// so that who puts a snapshot into the store is not delayed by their number. Thread-safe. Store and
// log outlive it, and it outlives the server: Shutdown first, then the server's stop, then this.
class WeightsService final
    : public v1::WeightsService::WithCallbackMethod_Watch<
          v1::WeightsService::WithRawCallbackMethod_Fetch<v1::WeightsService::Service>> {
 public:
  // The options are valid.
  WeightsService(WeightStore& store, const WeightsServiceOptions& options, Log& log);
  ~WeightsService() override;

  WatchReactor* Watch(grpc::CallbackServerContext* context,
                      const v1::WatchRequest* request) override;
  FetchReactor* Fetch(grpc::CallbackServerContext* context,
                      const grpc::ByteBuffer* request) override;
  // Visible to watchers when it answers OK. A snapshot of this generation that is not newer than
  // what is here is no error: a newer has overtaken it, or it comes a second time.
  grpc::Status Publish(grpc::ServerContext* context, grpc::ServerReader<v1::PublishRequest>* reader,
                       v1::PublishResponse* response) override;

  // Ends all watches with UNAVAILABLE, reason DRAINING, and refuses new ones and publications;
  // fetches go on. Blocks for at most the grace.
  void Shutdown();

  int64_t watchers() const { return watchers_.count(); }
  int64_t transfers() const { return transfers_.count(); }

 private:
  void RunNotices();
  // The newest version where `status` only says that it is newer than `manifest`'s, or the same.
  absl::StatusOr<v1::PolicyVersion> UnlessOvertaken(const absl::Status& status,
                                                    const v1::SnapshotManifest& manifest) const;
  absl::StatusOr<v1::PolicyVersion> Receive(grpc::ServerReader<v1::PublishRequest>& reader);

  WeightStore& store_;
  const WeightsServiceOptions options_;
  Log& log_;
  WeightWatchers watchers_;
  WeightTransfers transfers_;

  absl::Mutex mu_;
  bool changed_ ABSL_GUARDED_BY(mu_) = false;  // The store has what was not announced yet.
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::list<grpc::ServerContext*> publications_ ABSL_GUARDED_BY(mu_);  // The oldest first.

  uint64_t subscription_ = 0;
  std::thread notices_;
};

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_WEIGHTS_SERVICE_H_
