// Counts what a reward service does.
#ifndef ANABRANCH_REWARD_METERED_REWARD_H_
#define ANABRANCH_REWARD_METERED_REWARD_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "anabranch/v1/reward.pb.h"
#include "runtime/channels.h"
#include "runtime/metrics.h"

namespace anabranch {

// What became of the objects that were asked for, since it was made. The parts add up to `asked`.
struct RewardAccount {
  int64_t asked = 0;
  int64_t evaluated = 0;  // OK or INFEASIBLE, anew.
  int64_t cached = 0;     // Whatever it was, from a cache.
  int64_t invalid = 0;
  int64_t failed = 0;
  int64_t retryable = 0;
  int64_t pending = 0;  // Each time that PENDING was the answer.
  int64_t budget_exhausted = 0;
  int64_t refused = 0;  // In requests that failed as a whole.
};

// anabranch_reward_items_total by status, anabranch_reward_request_seconds, and
// anabranch_reward_in_flight, in objects. Oracle and metrics outlive it. Thread-safe.
class MeteredReward final : public RewardClient {
 public:
  MeteredReward(RewardClient& oracle, Metrics& metrics);

  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override;
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override;

  // Since it was made: requests answered, refused ones too, and objects answered.
  int64_t requests() const { return requests_.load(std::memory_order_relaxed); }
  int64_t objects() const { return objects_.load(std::memory_order_relaxed); }
  // Of requests that are answered.
  RewardAccount account() const;

 private:
  RewardClient& oracle_;
  std::array<prometheus::Counter*, v1::ObjectStatus_ARRAYSIZE> items_;
  prometheus::Histogram& seconds_;
  prometheus::Gauge& in_flight_;
  std::atomic<int64_t> requests_ = 0;
  std::atomic<int64_t> objects_ = 0;
  mutable absl::Mutex mu_;
  RewardAccount account_ ABSL_GUARDED_BY(mu_);
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_METERED_REWARD_H_
