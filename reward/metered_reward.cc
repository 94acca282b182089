#include "reward/metered_reward.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "gflownet/lap.h"

namespace anabranch {
namespace {

// "ok", "budget_exhausted".
std::string ShortName(v1::ObjectStatus status) {
  return absl::AsciiStrToLower(absl::StripPrefix(v1::ObjectStatus_Name(status), "OBJECT_STATUS_"));
}

// Adds an answer to the account.
void AddAnswer(const v1::EvaluateResponse& answer, RewardAccount& account) {
  const bool may_be_cached = answer.from_cache_size() == answer.statuses_size();
  for (int i = 0; i < answer.statuses_size(); ++i) {
    if (may_be_cached && answer.from_cache(i)) {
      ++account.cached;
      continue;
    }
    switch (answer.statuses(i)) {
      case v1::OBJECT_STATUS_OK:
      case v1::OBJECT_STATUS_INFEASIBLE:
        ++account.evaluated;
        break;
      case v1::OBJECT_STATUS_INVALID:
        ++account.invalid;
        break;
      case v1::OBJECT_STATUS_RETRYABLE:
        ++account.retryable;
        break;
      case v1::OBJECT_STATUS_PENDING:
        ++account.pending;
        break;
      case v1::OBJECT_STATUS_BUDGET_EXHAUSTED:
        ++account.budget_exhausted;
        break;
      default:
        ++account.failed;
    }
  }
}

}  // namespace

RewardAccount MeteredReward::account() const {
  absl::MutexLock lock(&mu_);
  return account_;
}

MeteredReward::MeteredReward(RewardClient& oracle, Metrics& metrics)
    : oracle_(oracle),
      seconds_(metrics.Histogram("anabranch_reward_request_seconds",
                                 "Time to answer a request for rewards.", LatencyBuckets())),
      in_flight_(metrics.Gauge("anabranch_reward_in_flight",
                               "Objects of requests that are being answered.")) {
  for (int i = 0; i < v1::ObjectStatus_ARRAYSIZE; ++i) {
    items_[i] = v1::ObjectStatus_IsValid(i)
                    ? &metrics.Counter("anabranch_reward_items_total", "Objects by their answer.",
                                       {{"status", ShortName(static_cast<v1::ObjectStatus>(i))}})
                    : nullptr;
  }
}

absl::StatusOr<v1::DescribeResponse> MeteredReward::Describe(const v1::DescribeRequest& request) {
  return oracle_.Describe(request);
}

absl::StatusOr<v1::EvaluateResponse> MeteredReward::Evaluate(const v1::EvaluateRequest& request) {
  const double objects = request.objects_size();
  in_flight_.Increment(objects);
  Lap lap;
  auto answer = oracle_.Evaluate(request);
  double seconds = 0;
  lap.Add(seconds);
  in_flight_.Decrement(objects);
  seconds_.Observe(seconds);
  requests_.fetch_add(1, std::memory_order_relaxed);
  {
    absl::MutexLock lock(&mu_);
    account_.asked += request.objects_size();
    if (answer.ok()) {
      AddAnswer(*answer, account_);
    } else {
      account_.refused += request.objects_size();
    }
  }
  if (!answer.ok()) return answer;
  objects_.fetch_add(answer->statuses_size(), std::memory_order_relaxed);
  std::array<int64_t, v1::ObjectStatus_ARRAYSIZE> counts = {};
  for (const int status : answer->statuses()) {
    if (v1::ObjectStatus_IsValid(status)) ++counts[status];
  }
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > 0) items_[i]->Increment(static_cast<double>(counts[i]));
  }
  return answer;
}

}  // namespace anabranch
