#include "actor/exploration_schedule.h"

#include <algorithm>

namespace anabranch {

ExplorationSchedule ExplorationSchedule::FromConfig(const v1::ExplorationConfig& config) {
  ExplorationSchedule schedule;
  schedule.epsilon = config.epsilon();
  schedule.epsilon_final = config.has_epsilon_final() ? config.epsilon_final() : config.epsilon();
  schedule.anneal_trajectories = static_cast<int64_t>(config.anneal_trajectories());
  schedule.temperature = config.temperature();
  return schedule;
}

Exploration ExplorationSchedule::At(int64_t trajectories) const {
  const double share = anneal_trajectories <= 0
                           ? 1.0
                           : std::min(1.0, static_cast<double>(trajectories) /
                                               static_cast<double>(anneal_trajectories));
  return {epsilon + share * (epsilon_final - epsilon), temperature};
}

}  // namespace anabranch
