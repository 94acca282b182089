#include "gflownet/evaluation/metrics.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace anabranch {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kSumTolerance = 1e-4;

// −∞ is a value like any other here; NaN and +∞ are not.
absl::Status CheckLogs(absl::string_view name, std::span<const double> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i]) || values[i] == kInfinity) {
      return absl::InvalidArgumentError(absl::StrCat(name, "[", i, "] is ", values[i],
                                                     "; give a finite logarithm, or -inf for 0"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckDistribution(absl::string_view name, std::span<const double> log_p) {
  if (absl::Status status = CheckLogs(name, log_p); !status.ok()) return status;
  double sum = 0.0;
  for (const double value : log_p) sum += std::exp(value);
  if (!(std::abs(sum - 1.0) <= kSumTolerance)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the probabilities in ", name, " sum to ", sum, "; they must sum to 1"));
  }
  return absl::OkStatus();
}

absl::Status CheckLengths(absl::string_view a, size_t size_a, absl::string_view b, size_t size_b) {
  if (size_a == size_b) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(a, " has ", size_a, " entries and ", b, " has ",
                                                 size_b, "; both need one for each state"));
}

// p log(p / q) with 0 log 0 = 0.
double KlTerm(double log_p, double log_q) {
  const double p = std::exp(log_p);
  return p == 0.0 ? 0.0 : p * (log_p - log_q);
}

}  // namespace

absl::StatusOr<DistributionDistances> CompareDistributions(std::span<const double> log_p,
                                                           std::span<const double> log_q) {
  absl::Status status = CheckLengths("log_p", log_p.size(), "log_q", log_q.size());
  if (status.ok()) status = CheckDistribution("log_p", log_p);
  if (status.ok()) status = CheckDistribution("log_q", log_q);
  if (!status.ok()) return status;
  DistributionDistances d;
  for (size_t i = 0; i < log_p.size(); ++i) {
    const double p = std::exp(log_p[i]), q = std::exp(log_q[i]);
    d.sum_l1 += std::abs(p - q);
    d.kl_pq += KlTerm(log_p[i], log_q[i]);
    d.kl_qp += KlTerm(log_q[i], log_p[i]);
    const double log_mean = std::log(0.5 * (p + q));
    if (p > 0) d.jensen_shannon += 0.5 * p * (log_p[i] - log_mean);
    if (q > 0) d.jensen_shannon += 0.5 * q * (log_q[i] - log_mean);
  }
  d.total_variation = 0.5 * d.sum_l1;
  return d;
}

double LogSumExp(std::span<const double> values) {
  double largest = -kInfinity;
  for (const double value : values) largest = std::max(largest, value);
  // The maximum overlooks a NaN; this sum does not.
  if (largest == -kInfinity) return std::accumulate(values.begin(), values.end(), -kInfinity);
  double sum = 0.0;
  for (const double value : values) sum += std::exp(value - largest);
  return largest + std::log(sum);
}

absl::StatusOr<std::vector<double>> TargetDistribution(std::span<const double> log_rewards) {
  if (absl::Status status = CheckLogs("log_rewards", log_rewards); !status.ok()) return status;
  const double log_z = LogSumExp(log_rewards);
  if (log_z == -kInfinity) {
    return absl::InvalidArgumentError(
        absl::StrCat("none of ", log_rewards.size(), " log_rewards is finite; there is no target"));
  }
  std::vector<double> target(log_rewards.begin(), log_rewards.end());
  for (double& value : target) value -= log_z;
  return target;
}

absl::StatusOr<double> ExpectedReward(std::span<const double> log_p,
                                      std::span<const double> log_rewards) {
  absl::Status status = CheckLengths("log_p", log_p.size(), "log_rewards", log_rewards.size());
  if (status.ok()) status = CheckDistribution("log_p", log_p);
  if (status.ok()) status = CheckLogs("log_rewards", log_rewards);
  if (!status.ok()) return status;
  double sum = 0.0;
  for (size_t i = 0; i < log_p.size(); ++i) sum += std::exp(log_p[i] + log_rewards[i]);
  return sum;
}

absl::StatusOr<double> TopKMean(std::span<const double> values, int64_t k) {
  if (k < 1) return absl::InvalidArgumentError(absl::StrCat("k is ", k, "; give at least 1"));
  if (values.empty()) return absl::InvalidArgumentError("there are no values to take the top of");
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) {
      return absl::InvalidArgumentError(absl::StrCat("values[", i, "] is not a number"));
    }
  }
  const int64_t count = std::min(k, static_cast<int64_t>(values.size()));
  std::vector<double> top(count);
  std::partial_sort_copy(values.begin(), values.end(), top.begin(), top.end(), std::greater<>());
  return std::accumulate(top.begin(), top.end(), 0.0) / static_cast<double>(count);
}

}  // namespace anabranch
