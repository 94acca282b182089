#include "cli/distribution.h"

#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace anabranch {
namespace {

absl::Status CheckLength(absl::string_view name, size_t found, size_t expected) {
  if (found == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "distribution.", name, " has ", found, " entries and distribution.objects has ", expected));
}

absl::Status CheckLogs(absl::string_view name, const std::vector<double>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i]) || values[i] == std::numeric_limits<double>::infinity()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "distribution.", name, "[", i, "] is ", values[i], "; give a logarithm, or -inf for 0"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSum(absl::string_view name, const std::vector<double>& log_p) {
  constexpr double kTolerance = 1e-4;
  double sum = 0;
  for (const double value : log_p) sum += std::exp(value);
  if (std::abs(sum - 1.0) <= kTolerance) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the probabilities in distribution.", name,
                                                 " sum to ", sum, "; they must sum to 1"));
}

}  // namespace

absl::Status Distribution::Validate() const {
  if (objects.empty()) return absl::InvalidArgumentError("distribution.objects is empty");
  absl::Status status = CheckLength("states", states.size(), objects.size());
  if (status.ok()) status = CheckLength("log_learned", log_learned.size(), objects.size());
  if (status.ok()) status = CheckLength("log_true", log_true.size(), objects.size());
  if (status.ok()) status = CheckLength("log_rewards", log_rewards.size(), objects.size());
  if (status.ok()) status = CheckLogs("log_learned", log_learned);
  if (status.ok()) status = CheckLogs("log_true", log_true);
  if (status.ok()) status = CheckLogs("log_rewards", log_rewards);
  if (status.ok()) status = CheckSum("log_learned", log_learned);
  if (status.ok()) status = CheckSum("log_true", log_true);
  return status;
}

std::string PrintableObject(const std::string& object, size_t max_width) {
  if (object.empty()) return "(empty)";
  const bool whole = object.size() <= max_width;
  std::string shown = whole ? object : object.substr(0, max_width - 3);
  for (char& c : shown) {
    if (c < 0x20 || c >= 0x7f) c = '?';
  }
  return whole ? shown : shown + "...";
}

}  // namespace anabranch
