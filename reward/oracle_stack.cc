#include "reward/oracle_stack.h"

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "reward/reward_service.h"
#include "runtime/components/environment_components.h"
#include "runtime/retry.h"

namespace anabranch {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(100);
constexpr absl::Duration kLongestPause = absl::Seconds(2);
// Between two lines of the log about the same wait.
constexpr absl::Duration kSayAgain = absl::Seconds(10);

absl::StatusOr<std::unique_ptr<RewardService>> MakeBuiltIn(const v1::RunConfig& config) {
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

void AddTotal(v1::GetStatusResponse& response, const std::string& name, double value) {
  v1::Total& total = *response.add_totals();
  total.set_name(name);
  total.set_value(value);
}

void AddAccount(const RewardAccount& account, v1::GetStatusResponse& response) {
  const struct {
    const char* name;
    int64_t value;
  } totals[] = {{"asked", account.asked},
                {"evaluated", account.evaluated},
                {"cached", account.cached},
                {"invalid", account.invalid},
                {"failed", account.failed},
                {"retryable", account.retryable},
                {"answered_pending", account.pending},
                {"budget_exhausted", account.budget_exhausted},
                {"refused", account.refused}};
  for (const auto& total : totals) {
    AddTotal(response, total.name, static_cast<double>(total.value));
  }
}

void AddBudget(const v1::RewardBudget& budget, v1::GetStatusResponse& response) {
  AddTotal(response, "budget_used", static_cast<double>(budget.evaluations_used()));
  AddTotal(response, "budget_outstanding", static_cast<double>(budget.evaluations_outstanding()));
  if (budget.has_evaluations_left()) {
    AddTotal(response, "budget_left", static_cast<double>(budget.evaluations_left()));
  }
  if (budget.cost_used() > 0 || budget.has_cost_left()) {
    AddTotal(response, "cost_used", budget.cost_used());
  }
  if (budget.has_cost_left()) AddTotal(response, "cost_left", budget.cost_left());
}

}  // namespace

absl::StatusOr<std::unique_ptr<OracleStack>> OracleStack::Create(const v1::RunConfig& config,
                                                                 const OracleStackOptions& options,
                                                                 Metrics& metrics, Log& log) {
  auto stack = absl::WrapUnique(new OracleStack(metrics, log));
  if (absl::Status status = stack->OpenState(config, options); !status.ok()) return status;
  OracleChainOptions shared;
  shared.cache_objects = options.cache_objects;
  shared.allow_fingerprint_change = config.reward().allow_fingerprint_change();
  shared.insecure = options.insecure;
  shared.store = stack->store_.get();
  shared.budget = stack->budget_.get();
  const absl::Status added = config.reward().oracles().empty() ? stack->AddBuiltIn(config, shared)
                                                               : stack->AddOracles(config, shared);
  if (!added.ok()) return added;
  RewardClient& below = stack->router_ != nullptr ? static_cast<RewardClient&>(*stack->router_)
                                                  : stack->chains_[0]->top();
  stack->metered_ = std::make_unique<MeteredReward>(below, metrics);
  return stack;
}

absl::Status OracleStack::OpenState(const v1::RunConfig& config,
                                    const OracleStackOptions& options) {
  const v1::BudgetConfig& limits = config.reward().budget();
  const bool limited = limits.max_evaluations() > 0 || limits.max_cost() > 0;
  if (config.reward().oracles().empty() && !limited) return absl::OkStatus();
  if (options.state.empty()) {
    log_.Warning(
        "results, tickets and spending are kept in memory only; give --state DIR to keep them when "
        "this process ends");
    store_ = MakeMemoryStore();
  } else {
    auto store = OpenStore(options.state);
    if (!store.ok()) return store.status();
    store_ = *std::move(store);
    durable_ = true;
  }
  auto budget = Budget::Open(limits, *store_);
  if (!budget.ok()) return budget.status();
  budget_ = *std::move(budget);
  return absl::OkStatus();
}

absl::Status OracleStack::AddBuiltIn(const v1::RunConfig& config,
                                     const OracleChainOptions& options) {
  auto oracle = MakeBuiltIn(config);
  if (!oracle.ok()) return oracle.status();
  OracleChainOptions own = options;
  if (!durable_) own.store = nullptr;  // The cache's own memory does.
  auto chain = OracleChain::CreateBuiltIn(*std::move(oracle), own, metrics_, log_);
  if (!chain.ok()) return chain.status();
  chains_.push_back(*std::move(chain));
  return absl::OkStatus();
}

absl::Status OracleStack::AddOracles(const v1::RunConfig& config,
                                     const OracleChainOptions& options) {
  auto environment = MakeEnvironment(config.environment());
  if (!environment.ok()) return environment.status();
  OracleRouterOptions routing;
  routing.format = (*environment)->spec().object_format;
  for (const v1::ObjectiveShaping& objective : config.reward_shaping().objectives()) {
    routing.needed.push_back(objective.name());
  }
  OracleChainOptions own = options;
  if (!durable_) own.store = nullptr;  // The cache's own memory does.
  std::vector<RoutedOracle> routed;
  for (const v1::OracleConfig& oracle : config.reward().oracles()) {
    auto chain = OracleChain::Create(oracle, own, metrics_, log_);
    if (!chain.ok()) return chain.status();
    routed.push_back({oracle.name(),
                      {oracle.objectives().begin(), oracle.objectives().end()},
                      &(*chain)->top()});
    chains_.push_back(*std::move(chain));
  }
  router_ = std::make_unique<OracleRouter>(std::move(routed), std::move(routing));
  return absl::OkStatus();
}

absl::Status OracleStack::AwaitOracles(
    absl::FunctionRef<bool(absl::Duration time, absl::string_view waits_for)> pause) {
  absl::Duration time = kFirstPause;
  absl::Time said = absl::InfinitePast();
  while (true) {
    const absl::Status status = metered_->Describe({}).status();
    if (status.ok() || !IsRetryable(status)) return status;
    if (absl::Now() - said >= kSayAgain) {
      log_.Info("waiting for an oracle", {{"error", std::string(status.message())}});
      said = absl::Now();
    }
    if (!pause(time, status.message())) {
      return absl::CancelledError("ended while it waited for an oracle");
    }
    time = std::min(2 * time, kLongestPause);
  }
}

void OracleStack::Describe(v1::GetStatusResponse& response) const {
  AddTotal(response, "objects", static_cast<double>(metered_->objects()));
  AddTotal(response, "requests", static_cast<double>(metered_->requests()));
  AddAccount(metered_->account(), response);
  ResultCache::Totals sum;
  for (const auto& chain : chains_) {
    const ResultCache::Totals totals = chain->totals();
    sum.hits += totals.hits;
    sum.misses += totals.misses;
    sum.pending += totals.pending;
    sum.oldest_pending = std::min(sum.oldest_pending, totals.oldest_pending);
  }
  AddTotal(response, "cache_hits", static_cast<double>(sum.hits));
  AddTotal(response, "cache_misses", static_cast<double>(sum.misses));
  if (budget_ == nullptr) return;
  AddTotal(response, "pending", static_cast<double>(sum.pending));
  if (sum.pending > 0) {
    AddTotal(response, "oldest_pending_seconds",
             absl::ToDoubleSeconds(absl::Now() - sum.oldest_pending));
  }
  AddBudget(budget_->Read(), response);
  for (const auto& chain : chains_) {
    if (router_ == nullptr) break;
    AddTotal(response, absl::StrCat("circuits_open:", chain->name()),
             static_cast<double>(chain->circuits_open()));
  }
}

void OracleStack::Cancel() {
  for (const auto& chain : chains_) chain->Cancel();
}

}  // namespace anabranch
