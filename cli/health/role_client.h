// What the command asks a process of a cluster.
#ifndef ANABRANCH_CLI_HEALTH_ROLE_CLIENT_H_
#define ANABRANCH_CLI_HEALTH_ROLE_CLIENT_H_

#include <grpcpp/channel.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "anabranch/v1/replay.pb.h"
#include "anabranch/v1/status.pb.h"

namespace anabranch {

// One try each, within `timeout`; errors as gRPC gives them, UNAVAILABLE where nobody listens.
// Thread-safe, and block for the answer.
absl::StatusOr<v1::GetStatusResponse> AskStatus(const std::shared_ptr<grpc::Channel>& channel,
                                                absl::Duration timeout);

// Of whichever run the replay server serves.
absl::StatusOr<v1::GetInfoResponse> AskReplayInfo(const std::shared_ptr<grpc::Channel>& channel,
                                                  absl::Duration timeout);

// grpc.health.v1: "SERVING", "NOT_SERVING" or "UNKNOWN". `service` empty asks about the whole
// server; NOT_FOUND for one that it doesn't know.
absl::StatusOr<std::string> AskHealth(const std::shared_ptr<grpc::Channel>& channel,
                                      const std::string& service, absl::Duration timeout);

}  // namespace anabranch

#endif  // ANABRANCH_CLI_HEALTH_ROLE_CLIENT_H_
