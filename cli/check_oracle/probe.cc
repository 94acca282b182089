#include "cli/check_oracle/probe.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

namespace anabranch {
namespace {

constexpr size_t kMostObjects = 24;
constexpr size_t kCandidateBatch = 64;
constexpr double kLastDigits = 1e-5;  // Relative: what another order of float32 sums may change.

bool IsFinal(v1::ObjectStatus status) {
  return status != v1::OBJECT_STATUS_RETRYABLE && status != v1::OBJECT_STATUS_PENDING &&
         status != v1::OBJECT_STATUS_BUDGET_EXHAUSTED;
}

bool SameValue(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

bool CloseValue(double a, double b) {
  return std::abs(a - b) <= kLastDigits * std::max({std::abs(a), std::abs(b), 1e-3});
}

}  // namespace

Judgement JudgementOf(const v1::EvaluateResponse& response, int i) {
  Judgement out;
  out.status = response.statuses(i);
  const int m = response.raw_values_size() / response.statuses_size();
  for (int j = i * m; j < (i + 1) * m; ++j) {
    const bool valid = response.raw_value_valid_size() == 0 || response.raw_value_valid(j);
    out.values.push_back(valid ? response.raw_values(j) : std::numeric_limits<double>::quiet_NaN());
  }
  return out;
}

Agreement CompareJudgements(const Judgement& a, const Judgement& b) {
  if (!IsFinal(a.status) || !IsFinal(b.status)) return Agreement::kNotComparable;
  if (a.status != b.status) return Agreement::kDifferent;
  if (a.status != v1::OBJECT_STATUS_OK) return Agreement::kSame;
  if (a.values.size() != b.values.size()) return Agreement::kDifferent;
  Agreement agreement = Agreement::kSame;
  for (size_t j = 0; j < a.values.size(); ++j) {
    if (SameValue(a.values[j], b.values[j])) continue;
    if (!CloseValue(a.values[j], b.values[j])) return Agreement::kDifferent;
    agreement = Agreement::kClose;
  }
  return agreement;
}

std::string ToText(const Judgement& judgement) {
  const std::string name(
      absl::StripPrefix(v1::ObjectStatus_Name(judgement.status), "OBJECT_STATUS_"));
  if (judgement.status != v1::OBJECT_STATUS_OK) return name;
  return absl::StrCat(name, " (", absl::StrJoin(judgement.values, ", "), ")");
}

Probe::Probe(RewardClient& oracle, RewardClient& hasty, v1::DescribeResponse description,
             ProbeOptions options)
    : oracle_(oracle),
      hasty_(hasty),
      description_(std::move(description)),
      options_(std::move(options)),
      comparable_(description_.deterministic()) {}

v1::EvaluateRequest Probe::Request(std::span<const std::string> objects) {
  v1::EvaluateRequest request;
  request.set_request_id(absl::StrCat("check-oracle-", options_.salt, "-", requests_++));
  request.set_expected_fingerprint(description_.fingerprint());
  request.set_format(options_.format);
  request.set_bypass_cache(true);
  for (const std::string& object : objects) request.add_objects()->set_inline_(object);
  return request;
}

absl::StatusOr<v1::EvaluateResponse> Probe::Ask(const v1::EvaluateRequest& request) {
  auto response = oracle_.Evaluate(request);
  if (!response.ok()) return response.status();
  const std::string fault = ShapeFault(description_, request, *response);
  if (!fault.empty()) return absl::InternalError(fault);
  return response;
}

absl::Status Probe::Settle(std::span<const std::string> candidates) {
  const size_t most = description_.max_batch_objects() > 0
                          ? std::min<size_t>(description_.max_batch_objects(), kCandidateBatch)
                          : kCandidateBatch;
  for (size_t begin = 0; begin < candidates.size() && objects_.size() < kMostObjects;
       begin += most) {
    const auto batch = candidates.subspan(begin, std::min(most, candidates.size() - begin));
    const auto response = Ask(Request(batch));
    if (!response.ok()) return response.status();
    for (size_t i = 0; i < batch.size() && objects_.size() < std::min(most, kMostObjects); ++i) {
      const Judgement judgement = JudgementOf(*response, static_cast<int>(i));
      if (judgement.status != v1::OBJECT_STATUS_OK &&
          judgement.status != v1::OBJECT_STATUS_PENDING) {
        continue;
      }
      answered_ += judgement.status == v1::OBJECT_STATUS_OK ? 1 : 0;
      objects_.push_back(batch[i]);
      heard_[batch[i]] = judgement;
    }
  }
  return absl::OkStatus();
}

Agreement Probe::Compare(const std::string& object, const Judgement& judgement,
                         std::span<const int> columns) const {
  const Judgement& whole = heard_.at(object);
  Judgement heard{whole.status, {}};
  for (const int column : columns) heard.values.push_back(whole.values[column]);
  return CompareJudgements(heard, judgement);
}

Agreement Probe::Compare(const std::string& object, const Judgement& judgement) const {
  return CompareJudgements(heard_.at(object), judgement);
}

std::string Probe::Heard(const std::string& object) const { return ToText(heard_.at(object)); }

}  // namespace anabranch
