// The interfaces of runtime/channels.h over sockets.
#ifndef ANABRANCH_RUNTIME_RPC_REMOTE_CLIENTS_H_
#define ANABRANCH_RUNTIME_RPC_REMOTE_CLIENTS_H_

#include <grpcpp/channel.h>

#include <cstdint>
#include <memory>

#include "absl/time/time.h"
#include "runtime/channels.h"
#include "runtime/log.h"
#include "runtime/retry.h"

namespace anabranch {

struct RemoteClientOptions {
  absl::Duration call_timeout = absl::Seconds(20);  // Of one try of a call that answers once.
  BackoffOptions backoff;
  uint64_t seed = 0;  // Of the jitter.
};

// One try per call; retrying is the caller's, who knows how long a reward is worth waiting for.
std::unique_ptr<RewardClient> MakeRemoteRewardClient(std::shared_ptr<grpc::Channel> channel,
                                                     const RemoteClientOptions& options);

// Streams outlive connections: one that breaks for a reason that is worth a retry is opened again
// with backoff, for as long as it takes. An insert stream sends again what was not acknowledged,
// under the same sequence, so that it is kept once. A sample stream forgets what it had fetched
// ahead (replay hands that out again) and acknowledges first what was done in the meantime.
// QueryObjects, GetInfo and UpdatePriorities are one try each. The log outlives the client, the
// client its streams.
struct RemoteReplayOptions {
  RemoteClientOptions client;
  uint64_t prefetch_batches = 2;  // Credits of a sample stream.
};
std::unique_ptr<ReplayClient> MakeRemoteReplayClient(std::shared_ptr<grpc::Channel> channel,
                                                     const RemoteReplayOptions& options, Log& log);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_REMOTE_CLIENTS_H_
