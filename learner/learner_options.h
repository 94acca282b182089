// What a learner is told, and what the configuration of a run says of it.
#ifndef ANABRANCH_LEARNER_LEARNER_OPTIONS_H_
#define ANABRANCH_LEARNER_LEARNER_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "anabranch/v1/config.pb.h"
#include "learner/training_step.h"
#include "runtime/components/run_identity.h"

namespace anabranch {

struct LearnerOptions {
  RunIdentity identity;
  uint64_t generation = 1;  // Higher than that of any learner of this run before.
  TrainingStepOptions training;
  int64_t publish_every_steps = 1;
  // So many batches in a row that can't be trained on end the run: it has diverged.
  int64_t max_unusable_in_row = 100;
  // A snapshot goes out once the next step has been made, or nothing is left to do, so that its
  // copy waits for no device. Always so where the model isn't on the CPU.
  bool publish_behind = false;
  // Tables whose priorities are losses, by their place in the sampled mixture; "" for others.
  std::vector<std::string> loss_tables;

  absl::Status Validate() const;
};

// Of a configuration whose defaults are filled in.
TrainingStepOptions TrainingStepOptionsFromConfig(const v1::LearnerConfig& config);

// The tables of the learner's mixture whose priorities are losses, each in its place; "" for
// others.
std::vector<std::string> LossTablesFromConfig(const v1::ReplayConfig& config);
bool HasLossTables(const v1::ReplayConfig& config);

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_LEARNER_OPTIONS_H_
