// The reward service of a run as its process serves it: built-in oracle, cache, meters.
#ifndef ANABRANCH_REWARD_ORACLE_STACK_H_
#define ANABRANCH_REWARD_ORACLE_STACK_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "anabranch/v1/config.pb.h"
#include "anabranch/v1/status.pb.h"
#include "reward/metered_reward.h"
#include "reward/result_cache.h"
#include "reward/reward_service.h"
#include "runtime/channels.h"
#include "runtime/metrics.h"

namespace anabranch {

struct OracleStackOptions {
  int64_t cache_objects = 100'000;  // 0 caches nothing; otherwise at least 2.
};

// Thread-safe once made.
class OracleStack {
 public:
  // The oracle that the configuration, its defaults filled in, names. INVALID_ARGUMENT names the
  // key or flag. Registers what is scraped: metrics outlive it, and it outlives the last scrape.
  static absl::StatusOr<std::unique_ptr<OracleStack>> Create(const v1::RunConfig& config,
                                                             const OracleStackOptions& options,
                                                             Metrics& metrics);

  RewardClient& top() { return *metered_; }
  const RewardService& oracle() const { return *oracle_; }
  // Totals for GetStatus.
  void Describe(v1::GetStatusResponse& response) const;

 private:
  OracleStack() = default;
  void RegisterCacheMetrics(Metrics& metrics);

  std::unique_ptr<RewardService> oracle_;
  std::unique_ptr<ResultCache> cache_;  // Null without one.
  std::unique_ptr<MeteredReward> metered_;
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_ORACLE_STACK_H_
