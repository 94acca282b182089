// A trained policy, from its checkpoint alone.
#ifndef ANABRANCH_LEARNER_TRAINED_MODEL_H_
#define ANABRANCH_LEARNER_TRAINED_MODEL_H_

#include "absl/status/statusor.h"
#include "anabranch/v1/config.pb.h"
#include "gflownet/policy/model.h"
#include "learner/checkpoint.h"
#include "runtime/components/run_components.h"

namespace anabranch {

struct TrainedModel {
  v1::RunConfig config;  // Of the run, defaults filled in.
  RunComponents components;
  Model model;  // With the checkpoint's parameters, on the CPU.
};

// FAILED_PRECONDITION where this build makes another environment of the same configuration (both
// fingerprints are named), or another network (the first parameter that differs is named).
// DATA_LOSS for a checkpoint without a model.
absl::StatusOr<TrainedModel> LoadTrainedModel(const Checkpoint& checkpoint);

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_TRAINED_MODEL_H_
