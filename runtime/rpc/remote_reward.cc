#include "runtime/rpc/remote_reward.h"

#include <grpcpp/support/status.h>

#include <utility>

#include "absl/time/clock.h"
#include "runtime/rpc/grpc_status.h"

namespace anabranch {

RemoteReward::RemoteReward(std::shared_ptr<grpc::Channel> channel,
                           const RemoteClientOptions& options)
    : stub_(v1::RewardService::NewStub(std::move(channel))), timeout_(options.call_timeout) {}

absl::Status RemoteReward::Call(absl::FunctionRef<grpc::Status(grpc::ClientContext*)> call) {
  grpc::ClientContext context;
  if (timeout_ < absl::InfiniteDuration()) {
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout_));
  }
  {
    absl::MutexLock lock(&mu_);
    if (cancelled_) return absl::CancelledError("the reward client has been cancelled");
    calls_.insert(&context);
  }
  const grpc::Status status = call(&context);
  absl::MutexLock lock(&mu_);
  calls_.erase(&context);
  return FromGrpcStatus(status);
}

absl::StatusOr<v1::DescribeResponse> RemoteReward::Describe(const v1::DescribeRequest& request) {
  v1::DescribeResponse response;
  const absl::Status status = Call(
      [&](grpc::ClientContext* context) { return stub_->Describe(context, request, &response); });
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<v1::EvaluateResponse> RemoteReward::Evaluate(const v1::EvaluateRequest& request) {
  v1::EvaluateResponse response;
  const absl::Status status = Call(
      [&](grpc::ClientContext* context) { return stub_->Evaluate(context, request, &response); });
  if (!status.ok()) return status;
  return response;
}

void RemoteReward::Cancel() {
  absl::MutexLock lock(&mu_);
  cancelled_ = true;
  for (grpc::ClientContext* context : calls_) context->TryCancel();
}

std::unique_ptr<RewardClient> MakeRemoteRewardClient(std::shared_ptr<grpc::Channel> channel,
                                                     const RemoteClientOptions& options) {
  return std::make_unique<RemoteReward>(std::move(channel), options);
}

}  // namespace anabranch
