// How the command reaches the processes of a cluster, and what it asks them.
#ifndef ANABRANCH_CLI_HEALTH_ROLE_CLIENT_H_
#define ANABRANCH_CLI_HEALTH_ROLE_CLIENT_H_

#include <grpcpp/channel.h>

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "anabranch/v1/config.pb.h"
#include "anabranch/v1/replay.pb.h"
#include "anabranch/v1/status.pb.h"
#include "runtime/rpc/channel.h"

namespace anabranch {

// What `cluster` says in a configuration that the roles read too. `environment` ANABRANCH_* over
// it, as for them. Errors as LoadRunConfig.
absl::StatusOr<v1::ClusterConfig> ReadClusterConfig(
    const std::string& path, const std::map<std::string, std::string>& environment = {});

// "replay", "reward", "learner", "actor"; ROLE_UNSPECIFIED for other words.
v1::Role RoleOf(absl::string_view word);

// Which role listens at HOST:PORT by the configuration; ROLE_UNSPECIFIED if none does.
v1::Role RoleAt(absl::string_view address, const v1::ClusterConfig& cluster);

// With the certificates of the cluster and, since tokens are told to nobody else, the role's token;
// none for ROLE_UNSPECIFIED.
ChannelOptions OptionsTo(v1::Role role, const v1::ClusterConfig& cluster, bool insecure);

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
