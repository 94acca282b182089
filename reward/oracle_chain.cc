#include "reward/oracle_chain.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gflownet/environment/key.h"
#include "reward/gateway/oracle_status.h"
#include "reward/gateway/oracle_transport.h"

namespace anabranch {
namespace {

constexpr char kBuiltIn[] = "built-in";

CircuitOptions CircuitOf(const v1::OracleConfig& config) {
  CircuitOptions options;
  options.failures = config.circuit().failures();
  options.open = absl::Seconds(config.circuit().open_seconds());
  return options;
}

PatientOracleOptions PatienceOf(const v1::OracleConfig& config) {
  PatientOracleOptions options;
  options.oracle = config.name();
  options.max_tries = config.max_tries();
  options.seed = Key128::Of(config.name()).low;
  return options;
}

OracleDispatcherOptions DispatchOf(const v1::OracleConfig& config) {
  OracleDispatcherOptions options;
  options.batch_objects = config.batch_objects();
  options.max_wait = absl::Seconds(config.max_wait_seconds());
  options.max_in_flight = config.max_in_flight();
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<OracleChain>> OracleChain::Create(const v1::OracleConfig& config,
                                                                 const OracleChainOptions& options,
                                                                 Metrics& metrics, Log& log) {
  auto chain = absl::WrapUnique(new OracleChain(config.name()));
  if (absl::Status status = chain->AddTransport(config, options, metrics, log); !status.ok()) {
    return status;
  }
  const absl::Status kept = chain->AddKeeping(true, config.free(), options, metrics, log);
  if (!kept.ok()) return kept;
  chain->RegisterMetrics(metrics, true);
  return chain;
}

absl::StatusOr<std::unique_ptr<OracleChain>> OracleChain::CreateBuiltIn(
    std::unique_ptr<RewardClient> oracle, const OracleChainOptions& options, Metrics& metrics,
    Log& log) {
  auto chain = absl::WrapUnique(new OracleChain(kBuiltIn));
  chain->built_in_ = std::move(oracle);
  const absl::Status kept = chain->AddKeeping(false, false, options, metrics, log);
  if (!kept.ok()) return kept;
  chain->RegisterMetrics(metrics, false);
  return chain;
}

absl::Status OracleChain::AddTransport(const v1::OracleConfig& config,
                                       const OracleChainOptions& options, Metrics& metrics,
                                       Log& log) {
  const std::string key = absl::StrCat("reward.oracles[", config.name(), "].");
  const CircuitOptions circuit = CircuitOf(config);
  PatientOracleOptions patience = PatienceOf(config);
  const OracleDispatcherOptions dispatch = DispatchOf(config);
  for (const absl::Status& status :
       {circuit.Validate(), patience.Validate(), dispatch.Validate()}) {
    if (!status.ok()) return Explained(status, key);
  }
  auto replicas = MakeReplicas(config, options.insecure, log, cancel_);
  if (!replicas.ok()) return replicas.status();
  replicas_ = std::make_unique<ReplicaSet>(name_, *std::move(replicas), circuit, log);
  patience.on_retry = [this](const absl::Status& status) { meter_->CountRetry(status); };
  patient_ = std::make_unique<PatientOracle>(*replicas_, std::move(patience));
  meter_ = std::make_unique<UpstreamMeter>(*patient_, name_, metrics);
  dispatcher_ = std::make_unique<OracleDispatcher>(*meter_, dispatch);
  return absl::OkStatus();
}

absl::Status OracleChain::AddKeeping(bool durable, bool free, const OracleChainOptions& options,
                                     Metrics&, Log& log) {
  RewardClient* below = built_in_ != nullptr ? built_in_.get() : dispatcher_.get();
  if (options.budget != nullptr && !free) {
    gate_ = std::make_unique<BudgetGate>(*below, name_, *options.budget);
    below = gate_.get();
  }
  const bool needs_cache = built_in_ == nullptr || options.cache_objects != 0;
  if (!needs_cache) return absl::OkStatus();
  ResultCacheOptions kept;
  kept.oracle = name_;
  kept.keeps_results = options.cache_objects != 0;
  if (kept.keeps_results) kept.memory.max_entries = options.cache_objects;
  kept.durable_results = durable;
  kept.allow_fingerprint_change = options.allow_fingerprint_change;
  if (gate_ != nullptr) {
    kept.read_budget = [gate = gate_.get()] { return gate->Read(); };
  }
  auto cache = ResultCache::Create(*below, kept, options.store, log);
  if (!cache.ok()) {
    if (!absl::IsInvalidArgument(cache.status())) return cache.status();
    return absl::InvalidArgumentError(absl::StrCat("--cache-objects ", options.cache_objects,
                                                   ": give 0 for no cache, or at least 2"));
  }
  cache_ = *std::move(cache);
  if (gate_ == nullptr) return absl::OkStatus();
  return options.budget->Reconcile(name_, cache_->UpstreamTickets());
}

RewardClient& OracleChain::top() {
  if (cache_ != nullptr) return *cache_;
  if (gate_ != nullptr) return *gate_;
  return built_in_ != nullptr ? *built_in_ : *dispatcher_;
}

ResultCache::Totals OracleChain::totals() const {
  return cache_ == nullptr ? ResultCache::Totals() : cache_->totals();
}

void OracleChain::RegisterMetrics(Metrics& metrics, bool labelled) {
  MetricLabels labels;
  if (labelled) labels["oracle"] = name_;
  auto counter = [&](const char* name, const char* help) -> prometheus::Counter& {
    return metrics.Counter(name, help, labels);
  };
  auto gauge = [&](const char* name, const char* help) -> prometheus::Gauge& {
    return metrics.Gauge(name, help, labels);
  };
  if (replicas_ != nullptr) {
    metrics.OnScrape([this, &open = gauge("anabranch_reward_circuits_open",
                                          "Replicas of an oracle that keep failing.")] {
      open.Set(static_cast<double>(circuits_open()));
    });
  }
  if (cache_ == nullptr) return;
  metrics.OnScrape(
      [this,
       &hits = counter("anabranch_reward_cache_hits_total", "Objects answered from the cache."),
       &misses = counter("anabranch_reward_cache_misses_total",
                         "Objects looked up in the cache that it did not hold."),
       &coalesced = counter("anabranch_reward_cache_coalesced_total",
                            "Objects that were being asked for already."),
       &evictions = counter("anabranch_reward_cache_evictions_total",
                            "Objects that left the cache to make room."),
       &entries = gauge("anabranch_reward_cache_items", "Objects in the cache."),
       &bytes = gauge("anabranch_reward_cache_bytes", "Size of the cache."),
       &pending = gauge("anabranch_reward_pending_items",
                        "Objects whose answer comes later, by ticket.")] {
        const ResultCache::Totals totals = cache_->totals();
        Metrics::Raise(hits, static_cast<double>(totals.hits));
        Metrics::Raise(misses, static_cast<double>(totals.misses));
        Metrics::Raise(coalesced, static_cast<double>(totals.coalesced));
        Metrics::Raise(evictions, static_cast<double>(totals.evictions));
        entries.Set(static_cast<double>(totals.entries));
        bytes.Set(static_cast<double>(totals.bytes));
        pending.Set(static_cast<double>(totals.pending));
      });
}

void OracleChain::Cancel() {
  if (dispatcher_ != nullptr) dispatcher_->Cancel();
  if (patient_ != nullptr) patient_->Cancel();
  for (const auto& cancel : cancel_) cancel();
}

}  // namespace anabranch
