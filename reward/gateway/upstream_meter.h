// Counts what really goes to an oracle.
#ifndef ANABRANCH_REWARD_GATEWAY_UPSTREAM_METER_H_
#define ANABRANCH_REWARD_GATEWAY_UPSTREAM_METER_H_

#include <array>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "anabranch/v1/reward.pb.h"
#include "runtime/channels.h"
#include "runtime/metrics.h"

namespace anabranch {

// By oracle: anabranch_reward_upstream_items_total by status, _seconds, _in_flight and
// _batch_objects of requests, _failures_total of requests and _retries_total by code. Oracle and
// metrics outlive it. Thread-safe.
class UpstreamMeter final : public RewardClient {
 public:
  UpstreamMeter(RewardClient& oracle, std::string name, Metrics& metrics);

  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override;
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override;

  // A failure that is tried again.
  void CountRetry(const absl::Status& status);

 private:
  void CountByCode(const char* name, const char* help, const absl::Status& status);

  RewardClient& oracle_;
  const std::string name_;
  Metrics& metrics_;
  std::array<prometheus::Counter*, v1::ObjectStatus_ARRAYSIZE> items_;
  prometheus::Histogram& seconds_;
  prometheus::Histogram& batch_;
  prometheus::Gauge& in_flight_;
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_GATEWAY_UPSTREAM_METER_H_
