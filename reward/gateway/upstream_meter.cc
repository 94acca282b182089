#include "reward/gateway/upstream_meter.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "gflownet/lap.h"

namespace anabranch {
namespace {

// Powers of 2, up to 65536.
std::vector<double> BatchBuckets() {
  std::vector<double> bounds;
  for (double bound = 1; bound <= 65536; bound *= 2) bounds.push_back(bound);
  return bounds;
}

}  // namespace

UpstreamMeter::UpstreamMeter(RewardClient& oracle, std::string name, Metrics& metrics)
    : oracle_(oracle),
      name_(std::move(name)),
      metrics_(metrics),
      items_{},
      seconds_(metrics.Histogram("anabranch_reward_upstream_seconds",
                                 "Time until an oracle has answered a request, retries included.",
                                 LatencyBuckets(), {{"oracle", name_}})),
      batch_(metrics.Histogram("anabranch_reward_upstream_batch_objects",
                               "Objects of a request to an oracle.", BatchBuckets(),
                               {{"oracle", name_}})),
      in_flight_(metrics.Gauge("anabranch_reward_upstream_in_flight",
                               "Requests to an oracle that are under way.", {{"oracle", name_}})) {
  for (int i = 0; i < v1::ObjectStatus_ARRAYSIZE; ++i) {
    if (!v1::ObjectStatus_IsValid(i)) continue;
    const std::string status = absl::AsciiStrToLower(absl::StripPrefix(
        v1::ObjectStatus_Name(static_cast<v1::ObjectStatus>(i)), "OBJECT_STATUS_"));
    items_[i] =
        &metrics.Counter("anabranch_reward_upstream_items_total", "Objects by an oracle's answer.",
                         {{"oracle", name_}, {"status", status}});
  }
}

absl::StatusOr<v1::DescribeResponse> UpstreamMeter::Describe(const v1::DescribeRequest& request) {
  return oracle_.Describe(request);
}

absl::StatusOr<v1::EvaluateResponse> UpstreamMeter::Evaluate(const v1::EvaluateRequest& request) {
  batch_.Observe(request.objects_size());
  in_flight_.Increment();
  Lap lap;
  auto answer = oracle_.Evaluate(request);
  double seconds = 0;
  lap.Add(seconds);
  in_flight_.Decrement();
  seconds_.Observe(seconds);
  if (!answer.ok()) {
    CountByCode("anabranch_reward_upstream_failures_total",
                "Requests that an oracle has failed, after the last try.", answer.status());
    return answer;
  }
  std::array<int64_t, v1::ObjectStatus_ARRAYSIZE> counts = {};
  for (const int status : answer->statuses()) {
    if (v1::ObjectStatus_IsValid(status)) ++counts[status];
  }
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > 0) items_[i]->Increment(static_cast<double>(counts[i]));
  }
  return answer;
}

void UpstreamMeter::CountRetry(const absl::Status& status) {
  CountByCode("anabranch_reward_upstream_retries_total",
              "Tries of a request to an oracle that failed and were followed by another.", status);
}

void UpstreamMeter::CountByCode(const char* name, const char* help, const absl::Status& status) {
  metrics_
      .Counter(name, help, {{"oracle", name_}, {"code", absl::StatusCodeToString(status.code())}})
      .Increment();
}

}  // namespace anabranch
