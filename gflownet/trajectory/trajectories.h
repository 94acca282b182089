// Finished trajectories as columns, without their states: the environment rebuilds those.
#ifndef ANABRANCH_GFLOWNET_TRAJECTORY_TRAJECTORIES_H_
#define ANABRANCH_GFLOWNET_TRAJECTORY_TRAJECTORIES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "gflownet/environment/key.h"

namespace anabranch {

// n trajectories with `total` actions among them, the stop action of each included. Columns that a
// run has no use for stay empty.
struct Trajectories {
  int64_t size() const { return static_cast<int64_t>(lengths.size()); }

  std::vector<int32_t> lengths;  // [n], each ≥ 1.
  std::vector<int32_t> actions;  // [total], trajectory after trajectory, forward action ids.
  std::vector<float> log_pf;     // [total] or empty: target log P_F at sampling time. For
                                 // diagnosis; learners recompute it with the current policy.
  int64_t action_value_width = 0;
  std::vector<float> action_values;  // [total, action_value_width]
  std::vector<std::string> prompts;  // [n] or empty: what Environment::Initial takes.
  int64_t condition_width = 0;
  std::vector<float> conditions;  // [n, condition_width]

  std::vector<std::string> objects;    // [n] canonical bytes of the terminal states.
  std::vector<ObjectKey> object_keys;  // [n]
  std::vector<StateKey> state_keys;    // [n]

  void Clear() { *this = Trajectories(); }
};

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_TRAJECTORY_TRAJECTORIES_H_
