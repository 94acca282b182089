#include "reward/oracle_stack.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "runtime/components/environment_components.h"

namespace anabranch {
namespace {

absl::StatusOr<std::unique_ptr<RewardService>> MakeOracle(const v1::RunConfig& config) {
  auto environment = MakeEnvironment(config.environment());
  if (!environment.ok()) return environment.status();
  auto function = MakeRewardFunction(config);
  if (!function.ok()) return function.status();
  RewardServiceOptions options;
  options.name = (*environment)->spec().object_format;
  options.accepted_formats = {(*environment)->spec().object_format};
  options.environment_fingerprint = (*environment)->spec().fingerprint;
  return RewardService::Create(std::move(options), *std::move(function));
}

void AddTotal(v1::GetStatusResponse& response, const char* name, int64_t value) {
  v1::Total& total = *response.add_totals();
  total.set_name(name);
  total.set_value(static_cast<double>(value));
}

}  // namespace

absl::StatusOr<std::unique_ptr<OracleStack>> OracleStack::Create(const v1::RunConfig& config,
                                                                 const OracleStackOptions& options,
                                                                 Metrics& metrics) {
  auto stack = absl::WrapUnique(new OracleStack);
  auto oracle = MakeOracle(config);
  if (!oracle.ok()) return oracle.status();
  stack->oracle_ = *std::move(oracle);
  RewardClient* top = stack->oracle_.get();
  if (options.cache_objects != 0) {
    ResultCacheOptions kept;
    kept.oracle = "built-in";
    kept.memory.max_entries = options.cache_objects;
    auto cache = ResultCache::Create(*top, kept, nullptr, NullLog());
    if (!cache.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--cache-objects ", options.cache_objects,
                                                     ": give 0 for no cache, or at least 2"));
    }
    stack->cache_ = *std::move(cache);
    stack->RegisterCacheMetrics(metrics);
    top = stack->cache_.get();
  }
  stack->metered_ = std::make_unique<MeteredReward>(*top, metrics);
  return stack;
}

void OracleStack::RegisterCacheMetrics(Metrics& metrics) {
  auto counter = [&metrics](const char* name, const char* help) -> prometheus::Counter& {
    return metrics.Counter(name, help);
  };
  metrics.OnScrape(
      [cache = cache_.get(),
       &hits = counter("anabranch_reward_cache_hits_total", "Objects answered from the cache."),
       &misses = counter("anabranch_reward_cache_misses_total",
                         "Objects looked up in the cache that it did not hold."),
       &evictions = counter("anabranch_reward_cache_evictions_total",
                            "Objects that left the cache to make room."),
       &entries = metrics.Gauge("anabranch_reward_cache_items", "Objects in the cache."),
       &bytes = metrics.Gauge("anabranch_reward_cache_bytes", "Size of the cache.")] {
        const ResultCache::Totals totals = cache->totals();
        Metrics::Raise(hits, static_cast<double>(totals.hits));
        Metrics::Raise(misses, static_cast<double>(totals.misses));
        Metrics::Raise(evictions, static_cast<double>(totals.evictions));
        entries.Set(static_cast<double>(totals.entries));
        bytes.Set(static_cast<double>(totals.bytes));
      });
}

void OracleStack::Describe(v1::GetStatusResponse& response) const {
  AddTotal(response, "objects", metered_->objects());
  AddTotal(response, "requests", metered_->requests());
  if (cache_ == nullptr) return;
  const ResultCache::Totals totals = cache_->totals();
  AddTotal(response, "cache_hits", totals.hits);
  AddTotal(response, "cache_misses", totals.misses);
}

}  // namespace anabranch
