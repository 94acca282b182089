// What actors and learners noted about every trajectory, for counting.
#ifndef ANABRANCH_TESTS_CLUSTER_LEDGERS_H_
#define ANABRANCH_TESTS_CLUSTER_LEDGERS_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace anabranch {

// (client incarnation, trajectory number): one trajectory in the whole run.
using TrajectoryId = std::pair<std::string, uint64_t>;

struct TrainedBatch {
  uint64_t generation = 0;
  uint64_t step = 0;
  std::vector<TrajectoryId> ids;
};

struct Ledgers {
  std::map<TrajectoryId, int> acknowledged;  // How often an actor noted it.
  std::vector<TrainedBatch> trained;         // In the order of the lines.
};

// Reads all ledgers below a run's directory. The last line of one whose writer was killed may be
// cut; any other line that is no fact fails the test.
Ledgers ReadLedgers(const std::string& directory);

// How often each trajectory was trained on by one learner generation.
std::map<TrajectoryId, int> TrainedIn(const Ledgers& ledgers, uint64_t generation);

// In how many generations each trajectory was trained on.
std::map<TrajectoryId, int> GenerationsOf(const Ledgers& ledgers);

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_CLUSTER_LEDGERS_H_
