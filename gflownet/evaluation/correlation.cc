#include "gflownet/evaluation/correlation.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace anabranch {
namespace {

constexpr double kNormalQuantile = 1.959963984540054;  // Of 97.5 %.

absl::Status CheckColumn(absl::string_view name, std::span<const double> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, "[", i, "] is ", values[i], "; leave such pairs out"));
    }
  }
  if (std::all_of(values.begin(), values.end(), [&](double v) { return v == values[0]; })) {
    return absl::InvalidArgumentError(absl::StrCat("all ", values.size(), " values of ", name,
                                                   " are ", values[0],
                                                   "; a constant correlates with nothing"));
  }
  return absl::OkStatus();
}

absl::Status CheckColumns(std::span<const double> x, std::span<const double> y) {
  if (x.size() != y.size() || x.size() < 4) {
    return absl::InvalidArgumentError(absl::StrCat("x has ", x.size(), " entries and y has ",
                                                   y.size(),
                                                   "; both need the same number, at least 4"));
  }
  absl::Status status = CheckColumn("x", x);
  return status.ok() ? CheckColumn("y", y) : status;
}

double Coefficient(std::span<const double> x, std::span<const double> y) {
  const auto n = static_cast<double>(x.size());
  const double mean_x = std::accumulate(x.begin(), x.end(), 0.0) / n;
  const double mean_y = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double xy = 0, xx = 0, yy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mean_x) * (y[i] - mean_y);
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    yy += (y[i] - mean_y) * (y[i] - mean_y);
  }
  return std::clamp(xy / std::sqrt(xx * yy), -1.0, 1.0);
}

Correlation WithInterval(double coefficient, size_t n, double variance_factor) {
  if (std::abs(coefficient) == 1.0) return {coefficient, coefficient, coefficient};
  const double z = std::atanh(coefficient);
  const double half = kNormalQuantile * std::sqrt(variance_factor / static_cast<double>(n - 3));
  return {coefficient, std::tanh(z - half), std::tanh(z + half)};
}

std::vector<double> Ranks(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t first = 0, last; first < order.size(); first = last) {
    for (last = first + 1; last < order.size(); ++last) {
      if (values[order[last]] != values[order[first]]) break;
    }
    const double shared = 0.5 * static_cast<double>(first + last - 1);
    for (size_t k = first; k < last; ++k) ranks[order[k]] = shared;
  }
  return ranks;
}

}  // namespace

absl::StatusOr<Correlation> Pearson(std::span<const double> x, std::span<const double> y) {
  if (absl::Status status = CheckColumns(x, y); !status.ok()) return status;
  return WithInterval(Coefficient(x, y), x.size(), 1.0);
}

absl::StatusOr<Correlation> Spearman(std::span<const double> x, std::span<const double> y) {
  if (absl::Status status = CheckColumns(x, y); !status.ok()) return status;
  const double rho = Coefficient(Ranks(x), Ranks(y));
  return WithInterval(rho, x.size(), 1.0 + 0.5 * rho * rho);
}

}  // namespace anabranch
