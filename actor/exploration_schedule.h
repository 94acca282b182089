// How exploration fades over a run.
#ifndef ANABRANCH_ACTOR_EXPLORATION_SCHEDULE_H_
#define ANABRANCH_ACTOR_EXPLORATION_SCHEDULE_H_

#include <cstdint>

#include "anabranch/v1/config.pb.h"
#include "gflownet/policy/policy.h"

namespace anabranch {

// ε goes linearly from its first to its final value while trajectories are counted from 0 to
// `anneal_trajectories`. Counted in trajectories, not steps, so that it means the same whatever the
// batch and however many actors there are.
struct ExplorationSchedule {
  double epsilon = 0;
  double epsilon_final = 0;
  int64_t anneal_trajectories = 0;
  double temperature = 1;

  // Of a configuration whose defaults are filled in.
  static ExplorationSchedule FromConfig(const v1::ExplorationConfig& config);
  Exploration At(int64_t trajectories) const;
};

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_EXPLORATION_SCHEDULE_H_
