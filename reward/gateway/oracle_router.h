// Several oracles as one: each objective is asked of the oracle that computes it.
#ifndef ANABRANCH_REWARD_GATEWAY_ORACLE_ROUTER_H_
#define ANABRANCH_REWARD_GATEWAY_ORACLE_ROUTER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "anabranch/v1/reward.pb.h"
#include "reward/gateway/answer_merge.h"
#include "reward/gateway/route_plan.h"
#include "runtime/channels.h"

namespace anabranch {

struct RoutedOracle {
  std::string name;                     // Unique.
  std::vector<std::string> objectives;  // Taken from it; empty: all that it describes.
  RewardClient* client = nullptr;       // Outlives the router.
};

struct OracleRouterOptions {
  std::vector<std::string> needed;  // Objectives that somebody must compute.
  std::string format;               // That objects are sent in; empty if not known.
};

// Describe asks all oracles and merges what they say (see MakeRoutePlan). Evaluate asks those that
// compute what is asked for, at the same time, and merges their answers (see MergeAnswers). With a
// single oracle that is asked for all that is taken from it, the request passes as it is.
//
// A request that one oracle fails, fails with its status, which names the oracle; one that isn't
// worth a retry comes first. FAILED_PRECONDITION, reason FINGERPRINT_CHANGED, where the request
// expects another merged fingerprint; INVALID_ARGUMENT names an objective that nobody computes.
// Blocks as its oracles do; of several all but one are asked in threads of the request's own.
// Thread-safe.
class OracleRouter final : public RewardClient {
 public:
  // At least one oracle.
  OracleRouter(std::vector<RoutedOracle> oracles, OracleRouterOptions options);

  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override;
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override;

 private:
  struct Route;

  absl::StatusOr<std::shared_ptr<const RoutePlan>> Ask(const v1::DescribeRequest& request);
  // As described last; asks if it never was.
  absl::StatusOr<std::shared_ptr<const RoutePlan>> Known(const v1::EvaluateRequest& request);
  absl::Status Check(const v1::EvaluateRequest& request, const RoutePlan& plan) const;
  absl::StatusOr<std::vector<Route>> MakeRoutes(const v1::EvaluateRequest& request,
                                                const RoutePlan& plan,
                                                std::vector<std::string>& columns) const;
  static void AskAll(std::vector<Route>& routes);
  absl::StatusOr<v1::EvaluateResponse> Merge(const v1::EvaluateRequest& request,
                                             const RoutePlan& plan,
                                             const std::vector<std::string>& columns,
                                             std::vector<Route>& routes);

  const std::vector<RoutedOracle> oracles_;
  const OracleRouterOptions options_;
  absl::Mutex mu_;
  std::shared_ptr<const RoutePlan> plan_ ABSL_GUARDED_BY(mu_);
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_GATEWAY_ORACLE_ROUTER_H_
