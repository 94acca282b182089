// The reward contract's face to the network.
#ifndef ANABRANCH_REWARD_REWARD_RPC_H_
#define ANABRANCH_REWARD_REWARD_RPC_H_

#include "anabranch/v1/reward.grpc.pb.h"
#include "runtime/channels.h"
#include "runtime/log.h"

namespace anabranch {

// Translates and nothing else; what a call asks is `oracle`'s to answer. A caller that has gone is
// not computed for. One debug line a call, with its request_id. Oracle and log outlive it.
// Thread-safe.
class RewardRpc final : public v1::RewardService::Service {
 public:
  RewardRpc(RewardClient& oracle, Log& log) : oracle_(oracle), log_(log) {}

  grpc::Status Describe(grpc::ServerContext* context, const v1::DescribeRequest* request,
                        v1::DescribeResponse* response) override;
  grpc::Status Evaluate(grpc::ServerContext* context, const v1::EvaluateRequest* request,
                        v1::EvaluateResponse* response) override;

 private:
  RewardClient& oracle_;
  Log& log_;
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_REWARD_RPC_H_
