// A whole run by real processes, against the figures of the exact core and by counting.
#ifndef ANABRANCH_TESTS_CLUSTER_CLUSTER_GATE_H_
#define ANABRANCH_TESTS_CLUSTER_CLUSTER_GATE_H_

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace anabranch {

// A figure that the run must reach; as in tests/gates/training_gate.h.
struct ClusterBound {
  const char* metric;  // Key in metrics.jsonl.
  int64_t within_trajectories;
  std::optional<double> at_most = {};
  std::optional<double> at_least = {};
};

struct ClusterGate {
  std::string name;
  std::string config;  // One of configs/.
  std::vector<std::string> set = {};
  uint64_t max_steps = 0;  // Of the configuration with `set`.
  int actors = 3;
  // At 25, 50 and 75 % of the steps: an actor is killed and another joins, the reward service
  // stands still for 5 s, the learner is killed and resumed, replay is drained and started again.
  bool faults = false;
  // Objects are scored by a HostileOracle behind two CuttingProxies, beside the built-in reward,
  // with which the learned distribution is compared. It is restarted at each quarter of the steps.
  bool hostile_oracle = false;
  std::vector<ClusterBound> bounds = {};
};

inline void PrintTo(const ClusterGate& gate, std::ostream* out) { *out << gate.name; }

// Runs one replay, one reward, one learner and the actors until the learner is done, and checks
// bounds, version lag (where there are no faults), that every trajectory was counted once, and that
// the reward service accounts for every object that it was asked about.
void RunClusterGate(const ClusterGate& gate);

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_CLUSTER_CLUSTER_GATE_H_
