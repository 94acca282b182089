#include "reward/gateway/oracle_router.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "reward/gateway/answer_check.h"
#include "runtime/error_reason.h"
#include "runtime/refusal.h"
#include "runtime/retry.h"

namespace anabranch {

// One oracle's share of a request.
struct OracleRouter::Route {
  int oracle = 0;
  RewardClient* client = nullptr;
  v1::EvaluateRequest request;
  absl::StatusOr<v1::EvaluateResponse> answer = absl::UnknownError("not asked");
};

OracleRouter::OracleRouter(std::vector<RoutedOracle> oracles, OracleRouterOptions options)
    : oracles_(std::move(oracles)), options_(std::move(options)) {}

absl::StatusOr<std::shared_ptr<const RoutePlan>> OracleRouter::Ask(
    const v1::DescribeRequest& request) {
  std::vector<RoutedDescription> described;
  for (const RoutedOracle& oracle : oracles_) {
    auto description = oracle.client->Describe(request);
    if (!description.ok()) return description.status();
    described.push_back({oracle.name, oracle.objectives, *std::move(description)});
  }
  auto plan = MakeRoutePlan(described, options_.needed, options_.format);
  if (!plan.ok()) return plan.status();
  auto shared = std::make_shared<const RoutePlan>(*std::move(plan));
  absl::MutexLock lock(&mu_);
  plan_ = shared;
  return shared;
}

absl::StatusOr<v1::DescribeResponse> OracleRouter::Describe(const v1::DescribeRequest& request) {
  const auto plan = Ask(request);
  if (!plan.ok()) return plan.status();
  return (*plan)->merged;
}

absl::StatusOr<std::shared_ptr<const RoutePlan>> OracleRouter::Known(
    const v1::EvaluateRequest& request) {
  {
    absl::MutexLock lock(&mu_);
    if (plan_ != nullptr) return plan_;
  }
  v1::DescribeRequest describe;
  describe.set_run_id(request.run_id());
  describe.set_environment_fingerprint(request.environment_fingerprint());
  return Ask(describe);
}

absl::Status OracleRouter::Check(const v1::EvaluateRequest& request, const RoutePlan& plan) const {
  if (request.request_id().empty()) return absl::InvalidArgumentError("request_id: is empty");
  const auto& formats = plan.merged.accepted_formats();
  if (!formats.empty() &&
      std::find(formats.begin(), formats.end(), request.format()) == formats.end()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "format: is \"", request.format(), "\"; accepted are: ", absl::StrJoin(formats, ", ")));
  }
  const std::string& expected = request.expected_fingerprint();
  if (expected.empty() || expected == plan.merged.fingerprint()) return absl::OkStatus();
  return RefusalStatus(RefuseMismatch(kReasonFingerprintChanged, "expected_fingerprint", expected,
                                      plan.merged.fingerprint()));
}

absl::StatusOr<std::vector<OracleRouter::Route>> OracleRouter::MakeRoutes(
    const v1::EvaluateRequest& request, const RoutePlan& plan,
    std::vector<std::string>& columns) const {
  std::vector<std::vector<std::string>> asked(oracles_.size());
  for (const std::string& column : columns) {
    const int oracle = plan.OracleOf(column);
    if (oracle < 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "objectives: there is no \"", column, "\"; there are: ",
          absl::StrJoin(plan.merged.objectives(), ", ",
                        [](std::string* out, const auto& o) { out->append(o.name()); })));
    }
    std::vector<std::string>& of = asked[oracle];
    if (std::find(of.begin(), of.end(), column) == of.end()) of.push_back(column);
  }
  std::vector<Route> routes;
  for (size_t i = 0; i < oracles_.size(); ++i) {
    if (asked[i].empty()) continue;
    Route& route = routes.emplace_back();
    route.oracle = static_cast<int>(i);
    route.client = oracles_[i].client;
    route.request = request;
    route.request.set_request_id(absl::StrCat(request.request_id(), "/", oracles_[i].name));
    if (!request.expected_fingerprint().empty()) {
      route.request.set_expected_fingerprint(plan.fingerprints[i]);
    }
    route.request.clear_objectives();
    for (std::string& name : asked[i]) route.request.add_objectives(std::move(name));
  }
  return routes;
}

void OracleRouter::AskAll(std::vector<Route>& routes) {
  const auto ask = [](Route& route) { route.answer = route.client->Evaluate(route.request); };
  std::vector<std::thread> others;
  for (size_t i = 1; i < routes.size(); ++i) {
    others.emplace_back([&ask, &route = routes[i]] { ask(route); });
  }
  ask(routes[0]);
  for (std::thread& other : others) other.join();
}

absl::StatusOr<v1::EvaluateResponse> OracleRouter::Merge(const v1::EvaluateRequest& request,
                                                         const RoutePlan& plan,
                                                         const std::vector<std::string>& columns,
                                                         std::vector<Route>& routes) {
  const absl::Status* failure = nullptr;
  for (const Route& route : routes) {
    if (route.answer.ok()) continue;
    if (failure == nullptr || IsRetryable(*failure)) failure = &route.answer.status();
  }
  if (failure != nullptr) return *failure;
  std::vector<std::string> names, fingerprints = plan.fingerprints;
  for (const RoutedOracle& oracle : oracles_) names.push_back(oracle.name);
  std::vector<AnswerPart> parts;
  for (Route& route : routes) {
    fingerprints[route.oracle] = route.answer->fingerprint();
    parts.push_back({names[route.oracle], *std::move(route.answer)});
  }
  const std::string fingerprint = MergedFingerprint(names, fingerprints);
  if (fingerprint != plan.merged.fingerprint()) {
    absl::MutexLock lock(&mu_);
    if (plan_ != nullptr && plan_->merged.fingerprint() == plan.merged.fingerprint()) {
      plan_ = nullptr;  // To be asked anew.
    }
  }
  v1::EvaluateResponse out = MergeAnswers(request, columns, parts);
  out.set_fingerprint(fingerprint);
  return out;
}

absl::StatusOr<v1::EvaluateResponse> OracleRouter::Evaluate(const v1::EvaluateRequest& request) {
  if (oracles_.size() == 1 && oracles_[0].objectives.empty()) {
    return oracles_[0].client->Evaluate(request);
  }
  const auto known = Known(request);
  if (!known.ok()) return known.status();
  const RoutePlan& plan = **known;
  if (absl::Status status = Check(request, plan); !status.ok()) return status;
  std::vector<std::string> taken;
  for (const auto& objective : plan.merged.objectives()) taken.push_back(objective.name());
  std::vector<std::string> columns = AskedObjectives(request, taken);
  const bool all_known = std::all_of(columns.begin(), columns.end(), [&](const auto& column) {
    return plan.OracleOf(column) == 0;
  });
  if (oracles_.size() == 1 && all_known && !request.objectives().empty()) {
    return oracles_[0].client->Evaluate(request);
  }
  auto routes = MakeRoutes(request, plan, columns);
  if (!routes.ok()) return routes.status();
  AskAll(*routes);
  return Merge(request, plan, columns, *routes);
}

}  // namespace anabranch
