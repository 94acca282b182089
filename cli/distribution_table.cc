#include "cli/distribution_table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace anabranch {
namespace {

constexpr size_t kMaxObjectWidth = 32;
constexpr int kBarWidth = 16;
// Beyond this factor a learned probability is pointed out.
constexpr double kNotableRatio = 1.1;

std::string Format(const char* format, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof(buffer), format, value);
  return buffer;
}

std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted.push_back('"');
    quoted.push_back(c);
  }
  quoted.push_back('"');
  return quoted;
}

std::string Left(std::string text, size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

std::string Right(const std::string& text, size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

// A bar of eighths of a character.
std::string Bar(double share) {
  static constexpr const char* kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int eighths = static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * kBarWidth * 8));
  std::string bar;
  for (int i = 0; i < eighths / 8; ++i) bar += "█";
  return bar + kEighths[eighths % 8];
}

std::vector<int64_t> MostProbable(const Distribution& d, int64_t rows) {
  std::vector<int64_t> order(d.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return d.log_true[a] > d.log_true[b]; });
  order.resize(std::min(rows, d.size()));
  return order;
}

std::string Ratio(double log_learned, double log_true, bool ansi) {
  const double ratio = std::exp(log_learned - log_true);
  const std::string text = Right(std::isnan(ratio) ? "-" : Format("%.3f", ratio), 7);
  const bool notable = !std::isnan(ratio) && (ratio > kNotableRatio || ratio < 1 / kNotableRatio);
  return ansi && notable ? absl::StrCat("\x1b[33m", text, "\x1b[0m") : text;
}

}  // namespace

absl::StatusOr<std::string> DistributionCsv(const Distribution& d) {
  if (absl::Status status = d.Validate(); !status.ok()) return status;
  std::string csv = "state,object,learned_probability,true_probability,log_reward\n";
  for (int64_t i = 0; i < d.size(); ++i) {
    absl::StrAppend(&csv, d.states[i], ",", CsvField(d.objects[i]), ",",
                    Format("%.10g", std::exp(d.log_learned[i])), ",",
                    Format("%.10g", std::exp(d.log_true[i])), ",",
                    Format("%.10g", d.log_rewards[i]), "\n");
  }
  return csv;
}

absl::StatusOr<std::string> TopStatesTable(const Distribution& d, const TableOptions& options) {
  if (absl::Status status = d.Validate(); !status.ok()) return status;
  if (options.rows < 1) {
    return absl::InvalidArgumentError(absl::StrCat("rows is ", options.rows, "; give at least 1"));
  }
  const std::vector<int64_t> shown = MostProbable(d, options.rows);
  size_t width = 6;
  double largest = 0, learned_mass = 0, true_mass = 0;
  for (const int64_t i : shown) {
    width = std::max(width, PrintableObject(d.objects[i], kMaxObjectWidth).size());
    largest = std::max({largest, std::exp(d.log_learned[i]), std::exp(d.log_true[i])});
    learned_mass += std::exp(d.log_learned[i]);
    true_mass += std::exp(d.log_true[i]);
  }
  std::string table = absl::StrCat(options.ansi ? "\x1b[1m" : "", "   #  ", Left("object", width),
                                   "   learned      true    ratio", "  learned probability",
                                   options.ansi ? "\x1b[0m" : "", "\n");
  for (size_t k = 0; k < shown.size(); ++k) {
    const int64_t i = shown[k];
    const double learned = std::exp(d.log_learned[i]);
    absl::StrAppend(&table, Right(absl::StrCat(k + 1), 4), "  ",
                    Left(PrintableObject(d.objects[i], kMaxObjectWidth), width), "  ",
                    Right(Format("%.3g", learned), 8), "  ",
                    Right(Format("%.3g", std::exp(d.log_true[i])), 8), "  ",
                    Ratio(d.log_learned[i], d.log_true[i], options.ansi), "  ",
                    Bar(learned / largest), "\n");
  }
  absl::StrAppend(&table, "these ", shown.size(), " of ", d.size(),
                  " states: ", Format("%.1f", 100 * learned_mass),
                  " % of the learned probability, ", Format("%.1f", 100 * true_mass),
                  " % of the true one\n");
  return table;
}

}  // namespace anabranch
