#include "learner/learner.h"

#include <cmath>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "gflownet/lap.h"
#include "learner/catch_exceptions.h"
#include "runtime/components/evaluated_trajectories.h"

namespace anabranch {
absl::Status LearnerOptions::Validate() const {
  if (identity.run_id.empty() || identity.environment_fingerprint.empty()) {
    return absl::InvalidArgumentError("a learner needs run_id and environment_fingerprint");
  }
  if (generation < 1) return absl::InvalidArgumentError("generation is 0; the first is 1");
  if (publish_every_steps < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("learner.publish_every_steps is ", publish_every_steps, "; give at least 1"));
  }
  return training.Validate();
}

absl::StatusOr<std::unique_ptr<Learner>> Learner::Create(const LearnerOptions& options,
                                                         const Environment& environment,
                                                         Model& model, const Objective& objective,
                                                         const RewardShaping& shaping,
                                                         WeightSink& weights) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  return absl::WrapUnique(new Learner(options, environment, model, objective, shaping, weights));
}

Learner::Learner(const LearnerOptions& options, const Environment& environment, Model& model,
                 const Objective& objective, const RewardShaping& shaping, WeightSink& weights)
    : options_(options),
      model_(model),
      shaping_(shaping),
      weights_(weights),
      learning_rate_(options.training.learning_rate),
      training_(options.training, environment, model, objective),
      schema_(model.parameters->Schema()) {
  version_.set_generation(options.generation);
}

std::shared_ptr<WeightSnapshot> Learner::MakeSnapshot(const at::Tensor& values) const {
  auto snapshot = std::make_shared<WeightSnapshot>();
  v1::SnapshotManifest& manifest = snapshot->manifest;
  manifest.set_run_id(options_.identity.run_id);
  manifest.set_environment_fingerprint(options_.identity.environment_fingerprint);
  *manifest.mutable_policy() = version_;
  manifest.set_step(counters_.steps);
  manifest.set_trajectories(counters_.trajectories);
  snapshot->schema = schema_;
  const at::Tensor here = values.to(at::kCPU);
  snapshot->values.assign(here.data_ptr<float>(), here.data_ptr<float>() + here.numel());
  return snapshot;
}

absl::Status Learner::PublishFirst() {
  if (newest_ == nullptr) newest_ = MakeSnapshot(model_.parameters->values());
  return weights_.Publish(newest_);
}

absl::Status Learner::Publish() {
  version_.set_version(version_.version() + 1);
  newest_ = MakeSnapshot(model_.parameters->values());
  return weights_.Publish(newest_);
}

absl::StatusOr<TrainingResult> Learner::Step() {
  Lap lap;
  auto sampled = samples_->Next();
  lap.Add(times_.sample);
  if (!sampled.ok()) return sampled.status();
  return Train(*std::move(sampled));
}

absl::StatusOr<std::optional<TrainingResult>> Learner::TryStep() {
  Lap lap;
  auto sampled = samples_->TryNext();
  lap.Add(times_.sample);
  if (!sampled.ok()) return sampled.status();
  if (!sampled->has_value()) return std::nullopt;
  auto result = Train(**std::move(sampled));
  if (!result.ok()) return result.status();
  return *std::move(result);
}

absl::Status Learner::CheckIdentity(const v1::TrajectoryBatch& batch) const {
  auto mismatch = [](absl::string_view field, const std::string& theirs, const std::string& ours) {
    return absl::FailedPreconditionError(
        absl::StrCat("a sampled batch has ", field, " '", theirs, "', this learner '", ours, "'"));
  };
  const RunIdentity& own = options_.identity;
  if (batch.run_id() != own.run_id) return mismatch("run_id", batch.run_id(), own.run_id);
  if (batch.environment_fingerprint() != own.environment_fingerprint) {
    return mismatch("environment_fingerprint", batch.environment_fingerprint(),
                    own.environment_fingerprint);
  }
  return absl::OkStatus();
}

absl::StatusOr<TrainingResult> Learner::Train(v1::SampledBatch sampled) {
  Lap lap;
  absl::Status status = CheckIdentity(sampled.batch());
  if (!status.ok()) return status;
  auto decoded = DecodeTrajectories(sampled.batch());
  if (!decoded.ok()) return decoded.status();
  EvaluatedTrajectories& columns = decoded->columns;
  status = shaping_.Shape(columns.rewards, shaped_);
  if (!status.ok()) return status;
  columns.log_rewards = shaped_.log_rewards;
  counters_.left_out += KeepTrajectories(shaped_.used, columns);
  lap.Add(times_.decode);
  auto result = TrainOn(columns);
  if (!result.ok()) return result;
  lap = Lap();
  status = AfterStep(*result);
  lap.Add(times_.publish);
  if (!status.ok()) return status;
  return result;
}

absl::StatusOr<TrainingResult> Learner::TrainOn(const EvaluatedTrajectories& columns) {
  if (columns.trajectories.size() == 0) return TrainingResult();  // All left out: not applied.
  log_rewards_.assign(columns.log_rewards.begin(), columns.log_rewards.end());
  auto result = CatchExceptions("a training step",
                                [&] { return training_.Run(columns.trajectories, log_rewards_); });
  if (!result.ok()) return result;
  if (modes_ != nullptr) modes_->Add(columns.trajectories);
  if (!result->applied) ++counters_.non_finite;
  counters_.trajectories += columns.trajectories.size();
  counters_.transitions += result->transitions;
  return result;
}

absl::Status Learner::AfterStep(const TrainingResult& result) {
  ++counters_.steps;
  unusable_in_row_ = result.applied ? 0 : unusable_in_row_ + 1;
  if (unusable_in_row_ >= options_.max_unusable_in_row) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the last ", unusable_in_row_, " batches could not be trained on (", counters_.non_finite,
        " with a loss or gradient that isn't finite, ", counters_.left_out,
        " trajectories left out by reward_shaping): lower learner.optimizer.learning_rate, set "
        "learner.optimizer.max_gradient_norm, or look at the oracle's answers"));
  }
  if (counters_.steps % options_.publish_every_steps != 0) return absl::OkStatus();
  return Publish();
}

LearnerTimes Learner::times() const {
  LearnerTimes times = times_;
  times.build = training_.times().build;
  times.forward_backward = training_.times().forward_backward;
  times.optimizer = training_.times().optimizer;
  return times;
}

}  // namespace anabranch
