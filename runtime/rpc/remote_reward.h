// A reward service that is a socket away.
#ifndef ANABRANCH_RUNTIME_RPC_REMOTE_REWARD_H_
#define ANABRANCH_RUNTIME_RPC_REMOTE_REWARD_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <memory>
#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "anabranch/v1/reward.grpc.pb.h"
#include "runtime/channels.h"
#include "runtime/rpc/remote_clients.h"

namespace anabranch {

// One try per call: UNAVAILABLE where nobody listens, DEADLINE_EXCEEDED after call_timeout,
// otherwise what the service says. Thread-safe.
class RemoteReward final : public RewardClient {
 public:
  RemoteReward(std::shared_ptr<grpc::Channel> channel, const RemoteClientOptions& options);

  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override;
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override;

  // Ends the calls that are on their way, and all later ones, with CANCELLED.
  void Cancel();

 private:
  // Runs `call` with a context that Cancel knows.
  absl::Status Call(absl::FunctionRef<grpc::Status(grpc::ClientContext*)> call);

  const std::unique_ptr<v1::RewardService::Stub> stub_;
  const absl::Duration timeout_;
  absl::Mutex mu_;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  std::set<grpc::ClientContext*> calls_ ABSL_GUARDED_BY(mu_);
};

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_REMOTE_REWARD_H_
