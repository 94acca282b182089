// Whole training runs against the figures that the project promises.
#ifndef ANABRANCH_TESTS_GATES_TRAINING_GATE_H_
#define ANABRANCH_TESTS_GATES_TRAINING_GATE_H_

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace anabranch {

// A figure that a run must reach.
struct GateBound {
  const char* metric;  // Key in metrics.jsonl.
  int64_t
      within_trajectories;  // The first line at or beyond this count at the latest must hold it.
  std::optional<double> at_most = {};  // Of the metric.
  std::optional<double> at_least = {};
};

struct TrainingGate {
  std::string name;                     // Of the test.
  std::string config;                   // A shipped configuration, by its file's name.
  std::vector<std::string> flags = {};  // As --set gives them.
  std::vector<uint64_t> seeds = {0};
  bool deterministic = false;
  std::vector<GateBound> bounds = {};  // The median over the seeds must hold each.
};

inline void PrintTo(const TrainingGate& gate, std::ostream* out) { *out << gate.name; }

// Runs the gate with every seed and checks its bounds, as a test does.
void RunTrainingGate(const TrainingGate& gate);

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_GATES_TRAINING_GATE_H_
