// What the configuration of a run says to its learner.
#ifndef ANABRANCH_LEARNER_LEARNER_OPTIONS_H_
#define ANABRANCH_LEARNER_LEARNER_OPTIONS_H_

#include <string>
#include <vector>

#include "anabranch/v1/config.pb.h"
#include "learner/training_step.h"

namespace anabranch {

// Of a configuration whose defaults are filled in.
TrainingStepOptions TrainingStepOptionsFromConfig(const v1::LearnerConfig& config);

// The tables of the learner's mixture whose priorities are losses, each in its place; "" for
// others.
std::vector<std::string> LossTablesFromConfig(const v1::ReplayConfig& config);
bool HasLossTables(const v1::ReplayConfig& config);

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_LEARNER_OPTIONS_H_
