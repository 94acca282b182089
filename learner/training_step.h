// One update of the model from one batch of trajectories.
#ifndef ANABRANCH_LEARNER_TRAINING_STEP_H_
#define ANABRANCH_LEARNER_TRAINING_STEP_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "gflownet/environment/environment.h"
#include "gflownet/objective/objective.h"
#include "gflownet/policy/model.h"
#include "gflownet/trajectory/state_rows.h"
#include "gflownet/trajectory/trajectories.h"
#include "learner/adam.h"
#include "learner/learning_rate.h"

namespace anabranch {

struct TrainingStepOptions {
  AdamOptions adam;
  LearningRateOptions learning_rate;
  // Steps as on other devices even on the CPU: optimizer by tensor operations, one wait in a step.
  // (What the policy does is MlpPolicyOptions::reference's affair.)
  bool reference = false;

  absl::Status Validate() const;
};

struct TrainingResult {
  // False when loss or gradient was not finite: the model is as it was, and the batch should be
  // counted and left behind.
  bool applied = false;
  double loss = 0;
  // After the step: the parameter, or the objective's estimate. On devices other than the CPU the
  // parameter before the step, so that nobody waits for the update.
  double log_z = 0;
  double gradient_norm = 0;
  int64_t transitions = 0;
  std::vector<float> trajectory_loss;  // [n]
};

// Where training time went, in seconds, added up over steps.
struct TrainingTimes {
  double build = 0;             // Rebuilding states from actions.
  double forward_backward = 0;  // Policy, objective, gradient.
  double optimizer = 0;
};

// Rebuild states → log-probabilities under the *current* policy → objective → gradient → Adam. What
// actors thought of their actions never enters. Environment, model and objective outlive it; one
// thread uses it at a time.
class TrainingStep {
 public:
  TrainingStep(const TrainingStepOptions& options, const Environment& environment, Model& model,
               const Objective& objective);

  // The same from rows that are built already, of n legal trajectories, for this policy's kind of
  // observation. They may change once it returns. INVALID_ARGUMENT as Run says of log-rewards.
  absl::StatusOr<TrainingResult> RunRows(const StateRows& rows, std::span<const float> log_rewards);

  // `log_rewards` is [n]. INVALID_ARGUMENT as BuildStateRows, or naming the index of a log-reward
  // that is not finite or the lengths that differ; the model is as it was.
  absl::StatusOr<TrainingResult> Run(const Trajectories& trajectories,
                                     std::span<const float> log_rewards);

  Adam& optimizer() { return adam_; }
  const TrainingTimes& times() const { return times_; }

 private:
  // From the objective to the update: with a look at each number on the CPU, or without waiting
  // for a device more than once.
  void Update(const ObjectiveOutput& output, TrainingResult& result);
  void UpdateOnDevice(const ObjectiveOutput& output, TrainingResult& result);

  const Environment& environment_;
  Model& model_;
  const Objective& objective_;
  LearningRateOptions learning_rate_;
  const bool fused_;  // CPU, and nothing else asked for.
  Adam adam_;
  StateRows rows_;
  TrainingTimes times_;
};

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_TRAINING_STEP_H_
