// All that can be said of a trained policy, as `anabranch evaluate` prints it.
#ifndef ANABRANCH_CLI_EVALUATE_POLICY_REPORT_H_
#define ANABRANCH_CLI_EVALUATE_POLICY_REPORT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/distribution.h"
#include "learner/trained_model.h"
#include "nlohmann/json.hpp"

namespace anabranch {

struct PolicyReportOptions {
  int64_t samples = 2000;         // Trajectories for everything that is sampled.
  int64_t backward_samples = 10;  // For each object's log p̂.
  uint64_t seed = 0;
  // What is being done, and how much of it; for a progress line.
  std::function<void(const std::string& what, int64_t done, int64_t total)> progress;
};

// One figure: its key in JSON, what people read, and what it means.
struct Figure {
  std::string key;
  std::string name;
  double value = 0;
  std::optional<double> error;                        // Standard error.
  std::optional<std::pair<double, double>> interval;  // 95 %.
  std::string meaning;
};

struct PolicyReport {
  std::vector<Figure> figures;
  // Learned and true over all terminal states; absent where the states can't be counted.
  std::optional<Distribution> distribution;
  // One line on each figure that can't be given, and why.
  std::vector<std::string> left_out;
  double log_z_learned = 0;  // NaN where the objective has none.
};

// Where only oracles know the values (no built-in reward), figures that need the value of an object
// are left out, and the report says so. Blocks for as long as it computes. Errors are those of the
// evaluators, and INVALID_ARGUMENT for bad options.
absl::StatusOr<PolicyReport> EvaluatePolicy(TrainedModel& trained,
                                            const PolicyReportOptions& options);

// Aligned columns: name, value with its uncertainty, meaning.
void PrintFigures(const std::vector<Figure>& figures, std::ostream& out);
nlohmann::ordered_json FiguresAsJson(const std::vector<Figure>& figures);

}  // namespace anabranch

#endif  // ANABRANCH_CLI_EVALUATE_POLICY_REPORT_H_
