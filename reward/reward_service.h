// A reward function behind the contract of reward.proto.
#ifndef ANABRANCH_REWARD_REWARD_SERVICE_H_
#define ANABRANCH_REWARD_REWARD_SERVICE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "anabranch/v1/reward.pb.h"
#include "gflownet/environment/reward_function.h"
#include "runtime/channels.h"

namespace anabranch {

struct RewardServiceOptions {
  std::string name;                           // Short, such as "hypergrid". Never empty.
  std::string version = "1";                  // For people.
  std::vector<std::string> accepted_formats;  // At least one.
  // Environment whose objects are read; empty reads any that send an accepted format.
  std::string environment_fingerprint;
  uint32_t max_batch_objects = 1 << 20;  // 0 = no limit.

  absl::Status Validate() const;
};

// Computes in the calling thread. Stateless, therefore thread-safe, and a retry is free: a reward
// function gives the same values again.
class RewardService final : public RewardClient {
 public:
  // INVALID_ARGUMENT names the option.
  static absl::StatusOr<std::unique_ptr<RewardService>> Create(
      RewardServiceOptions options, std::shared_ptr<const RewardFunction> function);

  // FAILED_PRECONDITION for another environment; names both.
  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override;
  // What is wrong with a single object is its status; a fault of the whole request is a code that
  // names the field: FAILED_PRECONDITION for another fingerprint or environment (both named),
  // INVALID_ARGUMENT for a missing request_id, a format that isn't accepted, too many objects, an
  // unknown objective, a context that isn't there. A value that isn't finite makes its object
  // FAILED: it is never sent.
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override;

 private:
  RewardService(RewardServiceOptions options, std::shared_ptr<const RewardFunction> function)
      : options_(std::move(options)), function_(std::move(function)) {}

  absl::Status CheckEnvironment(const std::string& fingerprint) const;
  absl::Status CheckRequest(const v1::EvaluateRequest& request) const;
  // Described column of each objective asked for.
  absl::StatusOr<std::vector<int64_t>> ResolveObjectives(const v1::EvaluateRequest& request) const;

  const RewardServiceOptions options_;
  const std::shared_ptr<const RewardFunction> function_;
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_REWARD_SERVICE_H_
