// The states that trajectories pass through, as the rows that a policy is evaluated on.
#ifndef ANABRANCH_GFLOWNET_TRAJECTORY_STATE_ROWS_H_
#define ANABRANCH_GFLOWNET_TRAJECTORY_STATE_ROWS_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "gflownet/environment/action_mask.h"
#include "gflownet/environment/environment.h"
#include "gflownet/environment/observation.h"
#include "gflownet/trajectory/trajectories.h"

namespace anabranch {

// One row for each state of each trajectory, s_0 … s_{n-1} = x: a trajectory of n actions, stop
// included, has n rows. A row serves both directions, so a shared trunk runs once:
//   forward_actions:  the action taken at this state (stop in the last row): P_F(s_{t+1} | s_t);
//   backward_actions: the action that leads to the state before it: P_B(s_{t-1} | s_t), kNoAction
//   in
//                     the first row. P_B of the stop transition is 1 and has no row.
// Hence for every trajectory Σ_rows(log_pf − log_pb) is the whole path's term in trajectory
// balance. Rows stand step by step: first s_0 of all trajectories, then s_1 of those that have one,
// ….
struct StateRows {
  explicit StateRows(ObservationSpec observation = {}) : observations(observation) {}
  void Clear();

  int64_t rows = 0;
  int64_t num_trajectories = 0;
  ObservationBatch observations;          // [rows]
  ActionMask forward_mask;                // [rows, num_forward_actions]
  ActionMask backward_mask;               // [rows, num_backward_actions]
  std::vector<int32_t> forward_actions;   // [rows]
  std::vector<int32_t> backward_actions;  // [rows]
  int64_t action_value_width = 0;
  std::vector<float> action_values;  // [rows, action_value_width]
  std::vector<int32_t> trajectory;   // [rows] which trajectory the row belongs to.
  std::vector<int32_t> step;         // [rows] t of s_t.
  int64_t condition_width = 0;
  std::vector<float> conditions;  // [rows, condition_width]
};

// Replays every action sequence through the environment. Reuses the memory of `out`, whose
// observation spec says which kind to build. All that comes from outside is checked here:
// INVALID_ARGUMENT names trajectory, step, action and state of the first illegal action, of a
// sequence that ends without stop or goes on after it, and of a column with a wrong length.
absl::Status BuildStateRows(const Environment& environment, const Trajectories& trajectories,
                            StateRows& out);

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_TRAJECTORY_STATE_ROWS_H_
