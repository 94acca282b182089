// From an oracle's configuration to the replicas that are asked.
#ifndef ANABRANCH_REWARD_GATEWAY_ORACLE_TRANSPORT_H_
#define ANABRANCH_REWARD_GATEWAY_ORACLE_TRANSPORT_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "anabranch/v1/config.pb.h"
#include "reward/gateway/replica_set.h"
#include "runtime/log.h"

namespace anabranch {

// The replicas of an oracle of the configuration, its defaults filled in: one for each address of
// grpc (where a name that resolves to several addresses is balanced by gRPC itself), a single one
// for all other kinds, which look after their own. Their answers are checked (CheckedOracle).
// `cancel` gets what ends the calls that are under way, and later ones, with CANCELLED, as long as
// the replicas live; only grpc has that. INVALID_ARGUMENT names the key. Doesn't connect. The log
// outlives the replicas.
absl::StatusOr<std::vector<OracleReplica>> MakeReplicas(const v1::OracleConfig& config,
                                                        bool insecure, Log& log,
                                                        std::vector<std::function<void()>>& cancel);

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_GATEWAY_ORACLE_TRANSPORT_H_
