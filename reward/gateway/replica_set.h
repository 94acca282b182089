// One oracle that runs in several places.
#ifndef ANABRANCH_REWARD_GATEWAY_REPLICA_SET_H_
#define ANABRANCH_REWARD_GATEWAY_REPLICA_SET_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "anabranch/v1/reward.pb.h"
#include "reward/gateway/circuit_breaker.h"
#include "runtime/channels.h"
#include "runtime/log.h"

namespace anabranch {

struct OracleReplica {
  std::string address;  // For messages.
  std::unique_ptr<RewardClient> client;
};

// Takes turns among the replicas whose circuit is closed; a request is one try at one of them. What
// counts as failure is what IsRetryable says is worth another try, here or there; other failures
// are the request's own fault. A thread probes the replicas whose circuit is open, by Describe, one
// after another, so no request waits for one that is down. Each opening and closing is logged once.
// While all are open Evaluate is UNAVAILABLE at once, reason CIRCUIT_OPEN, with the time of the
// next probe. Describe is asked of one whose circuit is closed, or else of any: it is a probe
// itself.
//
// All replicas are the same oracle: the first Describe compares those that are up, and finds
// FAILED_PRECONDITION, reason FINGERPRINT_CHANGED, naming both, where they aren't. Thread-safe.
class ReplicaSet final : public RewardClient {
 public:
  // At least one replica; valid options. The log outlives this.
  ReplicaSet(std::string oracle, std::vector<OracleReplica> replicas, const CircuitOptions& options,
             Log& log);
  // Waits for a probe that is under way; nobody else may be in a call.
  ~ReplicaSet();

  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override;
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override;

  int64_t circuits_open() const;

 private:
  // One whose circuit is closed, the next in turn.
  absl::StatusOr<size_t> Next();
  absl::Status AllOpen() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Report(size_t replica, const absl::Status& status);
  // A failure, with the replica's address where there are several.
  absl::Status At(size_t replica, const absl::Status& status) const;
  absl::StatusOr<v1::DescribeResponse> DescribeAll(const v1::DescribeRequest& request);
  void ProbeLoop();
  void Probe(size_t replica);
  // After a Describe that it has answered: closes its circuit if that is open.
  void Revive(size_t replica);
  // The replica whose probe is due first; none while none is open.
  std::optional<size_t> NextToProbe() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::string oracle_;
  const std::vector<OracleReplica> replicas_;
  Log& log_;
  mutable absl::Mutex mu_;
  absl::CondVar changed_;
  bool ending_ ABSL_GUARDED_BY(mu_) = false;
  bool compared_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t turn_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<CircuitBreaker> circuits_ ABSL_GUARDED_BY(mu_);  // Of the replicas.
  std::thread prober_;
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_GATEWAY_REPLICA_SET_H_
