// The whole graph of an enumerable environment, as tables.
#ifndef ANABRANCH_GFLOWNET_EVALUATION_TRANSITION_TABLE_H_
#define ANABRANCH_GFLOWNET_EVALUATION_TRANSITION_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gflownet/environment/environment.h"

namespace anabranch {

// States go by their number in the environment's StateSpace, which is a topological order: one pass
// upwards pushes from the source, one pass downwards gathers from the sinks.
struct TransitionTable {
  int64_t num_states = 0;
  int64_t num_forward_actions = 0;
  int64_t num_backward_actions = 0;
  int32_t stop_action = 0;

  // [num_states, num_forward_actions] the child, −1 where the action is illegal or stop.
  std::vector<int32_t> children;
  // [num_states, num_forward_actions] the backward action that leads back from that child.
  std::vector<int32_t> backward_actions;
  std::vector<int32_t> num_parents;  // [num_states]
  std::vector<uint8_t> terminal;     // [num_states] 1 where stop is legal: such states are objects.
};

// Asks the environment for every state and edge. FAILED_PRECONDITION where it can't be enumerated;
// RESOURCE_EXHAUSTED where the tables would have more than 2^28 entries; INTERNAL, naming the
// states, where the numbering is not topological or forward and backward edges disagree.
absl::StatusOr<TransitionTable> BuildTransitionTable(const Environment& environment);

// [num_states] the objects of the terminal states; of states that are none, empty strings.
std::vector<std::string> TerminalObjects(const Environment& environment,
                                         const TransitionTable& table);

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_EVALUATION_TRANSITION_TABLE_H_
