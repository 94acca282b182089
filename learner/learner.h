// The learner: samples batches, trains the model, publishes snapshots.
#ifndef ANABRANCH_LEARNER_LEARNER_H_
#define ANABRANCH_LEARNER_LEARNER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gflownet/environment/environment.h"
#include "gflownet/objective/objective.h"
#include "gflownet/policy/model.h"
#include "gflownet/reward_shaping/reward_shaping.h"
#include "learner/batch_pipeline.h"
#include "learner/batch_preparer.h"
#include "learner/checkpoint.h"
#include "learner/learner_options.h"
#include "learner/mode_counter.h"
#include "learner/priority_updater.h"
#include "learner/trained_rewards.h"
#include "learner/training_ledger.h"
#include "learner/training_step.h"
#include "learner/version_lag.h"
#include "runtime/channels.h"

namespace anabranch {

// Counted since the run began.
struct LearnerCounters {
  int64_t steps = 0;         // Batches taken, unusable ones too.
  int64_t trajectories = 0;  // Trained on, repeats counted.
  int64_t transitions = 0;
  int64_t non_finite = 0;  // Batches whose loss or gradient wasn't finite; the model is as it was.
  int64_t left_out = 0;    // Trajectories that reward shaping leaves out.
  int64_t illegal = 0;     // Trajectories that the environment can't make.
};

// Where its time went, in seconds, added up over steps. Decoding and building may go on beside.
struct LearnerTimes {
  double sample = 0;  // Mostly waiting for actors.
  double decode = 0;
  double build = 0;
  double forward_backward = 0;
  double optimizer = 0;
  double publish = 0;
};

// One thread uses it at a time. Environment, model, objective, shaping and sink outlive it.
class Learner {
 public:
  static absl::StatusOr<std::unique_ptr<Learner>> Create(const LearnerOptions& options,
                                                         const Environment& environment,
                                                         Model& model, const Objective& objective,
                                                         const RewardShaping& shaping,
                                                         WeightSink& weights);

  // What it reports to beside its sink. Null, or outliving it; before SetSamples.
  void CountModes(ModeCounter* modes);
  void SendPriorities(PriorityUpdater* updater) { priorities_ = updater; }
  void KeepLedger(TrainingLedger* ledger) { ledger_ = ledger; }
  void OnWarning(std::function<void(absl::string_view)> warn) { warn_ = std::move(warn); }

  // Where batches come from, from now on: fetched when asked for, in the calling thread, or fetched
  // and prepared ahead by threads.
  void SetSamples(std::unique_ptr<SampleStream> samples);
  absl::Status StartPipeline(std::unique_ptr<SampleStream> samples,
                             const BatchPipelineOptions& options);
  // Ends the threads, cancelling the stream.
  void StopPipeline() { pipeline_.reset(); }
  // Once before the first step, so that actors can begin: the parameters or, after a repeating
  // Restore, the snapshot that was the newest then.
  absl::Status PublishFirst();

  // Takes one batch, trains on it and acknowledges it. Blocks until replay has one. Log-rewards
  // come from raw values, never from the cached column. A batch that can't be trained on is counted
  // and left behind; the result then says that it wasn't applied. FAILED_PRECONDITION for a batch
  // of another run or environment, and when max_unusable_in_row is reached. RESOURCE_EXHAUSTED when
  // LibTorch has no memory, INTERNAL for its other exceptions.
  absl::StatusOr<TrainingResult> Step();
  // As Step, but nothing where no batch comes within `wait`; with a pipeline only.
  absl::StatusOr<std::optional<TrainingResult>> StepWithin(absl::Duration wait);
  // As Step, but nothing where Step would block; not with a pipeline.
  absl::StatusOr<std::optional<TrainingResult>> TryStep();

  const LearnerCounters& counters() const { return counters_; }
  LearnerTimes times() const;
  v1::PolicyVersion policy_version() const { return version_; }
  // Of the trajectories trained on by this process; rewards since their reader last cleared them.
  const VersionLag& version_lag() const { return version_lag_; }
  TrainedRewards& trained_rewards() { return trained_rewards_; }
  // What the learning rates are multiplied with in the next step.
  double rate_factor();

  // Model, moments and counts into a checkpoint, and back. Restore is for before the first step;
  // FAILED_PRECONDITION names the first parameter that doesn't fit. `repeat` goes on with the
  // checkpoint's own generation and version, as if never interrupted.
  absl::Status Save(v1::CheckpointManifest& manifest, std::map<std::string, std::string>& files);
  absl::Status Restore(const Checkpoint& checkpoint, bool repeat);

 private:
  Learner(const LearnerOptions& options, const Environment& environment, Model& model,
          const Objective& objective, const RewardShaping& shaping, WeightSink& weights);

  absl::StatusOr<TrainingResult> Train(PreparedBatch& batch);
  absl::StatusOr<TrainingResult> TrainOn(PreparedBatch& batch);
  void Count(const PreparedBatch& batch);
  void UpdatePriorities(const PreparedBatch& batch, const TrainingResult& result);
  absl::Status AfterStep(const TrainingResult& result);
  absl::Status Publish();
  // Publishes what waits for its copy, if anything does. `wait` is for where no step has been made
  // since, which would have waited for the device.
  absl::Status PublishPending(bool wait);
  std::shared_ptr<WeightSnapshot> DescribeSnapshot() const;  // Without values.
  std::shared_ptr<WeightSnapshot> MakeSnapshot(const at::Tensor& values) const;

  const LearnerOptions options_;
  const Environment& environment_;
  Model& model_;
  const RewardShaping& shaping_;
  WeightSink& weights_;
  PriorityUpdater* priorities_ = nullptr;
  TrainingLedger* ledger_ = nullptr;
  std::function<void(absl::string_view)> warn_;
  std::unique_ptr<const BatchPreparer> preparer_;
  std::unique_ptr<SampleStream> samples_;
  std::unique_ptr<BatchPipeline> pipeline_;  // Null where batches are fetched when asked for.
  PreparedBatch batch_;                      // The one of a learner without pipeline.
  LearningRateOptions learning_rate_;
  TrainingStep training_;
  const std::string schema_;
  v1::PolicyVersion version_;                     // Of the newest snapshot.
  std::shared_ptr<const WeightSnapshot> newest_;  // Published, or to be published first.
  std::shared_ptr<WeightSnapshot> pending_;       // Its values are on their way to the CPU.
  at::Tensor pending_values_;
  LearnerCounters counters_;
  LearnerTimes times_;
  VersionLag version_lag_;
  TrainedRewards trained_rewards_;
  int64_t unusable_in_row_ = 0;
};

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_LEARNER_H_
