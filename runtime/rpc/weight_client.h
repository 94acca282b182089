// The client's side of WeightsService.Watch and Publish.
#ifndef ANABRANCH_RUNTIME_RPC_WEIGHT_CLIENT_H_
#define ANABRANCH_RUNTIME_RPC_WEIGHT_CLIENT_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "anabranch/v1/weights.grpc.pb.h"
#include "runtime/rpc/weight_store.h"

namespace anabranch {

// Somebody who holds snapshots, such as {"learner", …}. The name is for logs.
struct WeightHolder {
  std::string name;
  std::shared_ptr<grpc::Channel> channel;
};

// Reads all the time and keeps the newest notice alone, so that nothing piles up at either end
// while its owner is busy. Takes no thread. Thread-safe.
class WeightWatch final : private grpc::ClientReadReactor<v1::WatchResponse> {
 public:
  // Begins the call. `wake` is called, by a thread of gRPC's, whenever one of the questions below
  // has a new answer; it must be quick. The stub outlives this.
  WeightWatch(v1::WeightsService::StubInterface& stub, const v1::WatchRequest& request,
              std::function<void()> wake);
  // Ends the call. Blocks for as long as a wake takes that is under way.
  ~WeightWatch() override;

  // Whether the server has taken the call on, and it is not over.
  bool connected() const;
  // How the call ended; nothing while it goes on.
  std::optional<absl::Status> ended() const;
  // The newest notice, once.
  std::optional<v1::SnapshotManifest> TakeNotice();

 private:
  void OnReadInitialMetadataDone(bool ok) override;
  void OnReadDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

  const v1::WatchRequest request_;
  const std::function<void()> wake_;
  grpc::ClientContext context_;
  v1::WatchResponse response_;  // gRPC's between StartRead and OnReadDone.

  mutable absl::Mutex mu_;
  bool connected_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<v1::SnapshotManifest> notice_ ABSL_GUARDED_BY(mu_);
  std::optional<absl::Status> ended_ ABSL_GUARDED_BY(mu_);
  absl::Notification done_;
};

// Brings a snapshot to a holder and returns the newest version that is there then: this one, or a
// newer of its generation. Blocks; the context's deadline and TryCancel end it. Errors are the
// holder's: FAILED_PRECONDITION with reason STALE_GENERATION when a learner of a higher generation
// has published.
absl::StatusOr<v1::PolicyVersion> PushSnapshot(v1::WeightsService::StubInterface& stub,
                                               grpc::ClientContext& context,
                                               const v1::Handshake& handshake,
                                               const HeldSnapshot& snapshot);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_WEIGHT_CLIENT_H_
