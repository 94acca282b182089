#include "cli/picture.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cli/plots.h"
#include "cli/svg.h"

namespace anabranch {
namespace {

constexpr int64_t kMaxHeatMapSide = 128;

absl::Status CheckGrid(const Distribution& d, int64_t side) {
  if (side > 0 && side <= d.size() && side * side == d.size()) {
    for (int64_t i = 0; i < d.size(); ++i) {
      if (d.states[i] != i) {
        return absl::InvalidArgumentError(absl::StrCat("distribution.states[", i, "] is ",
                                                       d.states[i],
                                                       "; a grid needs all its cells,"
                                                       " in order"));
      }
    }
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("grid_side is ", side, " and there are ", d.size(),
                                                 " states; a grid has side × side"));
}

double TotalVariation(const Distribution& d) {
  double sum = 0;
  for (int64_t i = 0; i < d.size(); ++i) {
    sum += std::abs(std::exp(d.log_learned[i]) - std::exp(d.log_true[i]));
  }
  return sum / 2;
}

double LogZ(const Distribution& d) {
  const double largest = *std::max_element(d.log_rewards.begin(), d.log_rewards.end());
  double sum = 0;
  for (const double value : d.log_rewards) sum += std::exp(value - largest);
  return largest + std::log(sum);
}

// The state whose probability is off by most.
int64_t Furthest(const Distribution& d) {
  int64_t worst = 0;
  double largest = -1;
  for (int64_t i = 0; i < d.size(); ++i) {
    const double off = std::abs(std::exp(d.log_learned[i]) - std::exp(d.log_true[i]));
    if (off > largest) {
      largest = off;
      worst = i;
    }
  }
  return worst;
}

std::string FourDecimals(double value) {
  char buffer[400];
  std::snprintf(buffer, sizeof(buffer), "%.4f", value);
  return buffer;
}

PictureText Describe(const Distribution& d, const PictureOptions& options) {
  PictureText text;
  text.title = options.title.empty() ? "Learned and true distribution" : options.title;
  text.facts.push_back(absl::StrCat("Total variation ", Significant(TotalVariation(d), 3)));
  std::string log_z = absl::StrCat("log Z ", FourDecimals(LogZ(d)));
  if (std::isfinite(options.log_z_learned)) {
    log_z = absl::StrCat("log Z learned ", FourDecimals(options.log_z_learned), ", true ",
                         FourDecimals(LogZ(d)));
  }
  text.facts.push_back(log_z);
  const int64_t worst = Furthest(d);
  const double off = std::exp(d.log_learned[worst]) - std::exp(d.log_true[worst]);
  text.facts.push_back(absl::StrCat("Largest error ", off < 0 ? "\xE2\x88\x92" : "+",
                                    Significant(std::abs(off), 2), " at \xE2\x80\x9C",
                                    PrintableObject(d.objects[worst], 16), "\xE2\x80\x9D"));
  text.description = text.title;
  for (const std::string& fact : text.facts) absl::StrAppend(&text.description, ". ", fact);
  return text;
}

}  // namespace

absl::StatusOr<std::string> DrawDistribution(const Distribution& distribution,
                                             const PictureOptions& options) {
  if (absl::Status status = distribution.Validate(); !status.ok()) return status;
  const PictureText text = Describe(distribution, options);
  if (options.grid_side != 0) {
    if (absl::Status status = CheckGrid(distribution, options.grid_side); !status.ok()) {
      return status;
    }
    if (options.grid_side <= kMaxHeatMapSide) {
      return DrawHeatMaps(distribution, options.grid_side, text);
    }
  }
  return DrawScatter(distribution, text);
}

}  // namespace anabranch
