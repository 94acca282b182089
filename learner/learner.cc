#include "learner/learner.h"

#include <cmath>
#include <span>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "gflownet/lap.h"
#include "gflownet/seeded_fault.h"
#include "learner/catch_exceptions.h"

namespace anabranch {
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
      environment_(environment),
      model_(model),
      shaping_(shaping),
      weights_(weights),
      batch_(model.policy->observation()),
      learning_rate_(options.training.learning_rate),
      training_(options.training, environment, model, objective),
      schema_(model.parameters->Schema()) {
  version_.set_generation(options.generation);
  CountModes(nullptr);
}

void Learner::CountModes(ModeCounter* modes) {
  preparer_ = std::make_unique<BatchPreparer>(options_.identity, environment_, shaping_, modes);
}

void Learner::SetSamples(std::unique_ptr<SampleStream> samples) {
  pipeline_ = nullptr;
  samples_ = std::move(samples);
}

absl::Status Learner::StartPipeline(std::unique_ptr<SampleStream> samples,
                                    const BatchPipelineOptions& options) {
  SetSamples(std::move(samples));
  auto pipeline =
      BatchPipeline::Start(options, model_.policy->observation(), *samples_, *preparer_);
  if (!pipeline.ok()) return pipeline.status();
  pipeline_ = *std::move(pipeline);
  return absl::OkStatus();
}

absl::StatusOr<std::optional<TrainingResult>> Learner::StepWithin(absl::Duration wait) {
  Lap lap;
  if (!pipeline_->Ready()) {
    if (absl::Status status = PublishPending(/*wait=*/true); !status.ok()) return status;
    lap.Add(times_.publish);
    const bool ready = pipeline_->Ready(wait);
    lap.Add(times_.sample);
    if (!ready) return std::nullopt;
  }
  auto result = Step();
  if (!result.ok()) return result.status();
  return *std::move(result);
}

absl::StatusOr<TrainingResult> Learner::Step() {
  Lap lap;
  if (pipeline_ != nullptr) {
    if (!pipeline_->Ready()) {  // Nothing else to do than to publish what waits.
      if (absl::Status status = PublishPending(/*wait=*/true); !status.ok()) return status;
      lap.Add(times_.publish);
    }
    auto batch = pipeline_->Next();
    lap.Add(times_.sample);
    if (!batch.ok()) return batch.status();
    auto result = Train(**batch);
    pipeline_->Recycle(*std::move(batch));
    return result;
  }
  auto sampled = samples_->Next();
  lap.Add(times_.sample);
  if (!sampled.ok()) return sampled.status();
  absl::Status status = preparer_->Prepare(*std::move(sampled), batch_);
  if (!status.ok()) return status;
  return Train(batch_);
}

absl::StatusOr<std::optional<TrainingResult>> Learner::TryStep() {
  Lap lap;
  auto sampled = samples_->TryNext();
  lap.Add(times_.sample);
  if (!sampled.ok()) return sampled.status();
  if (!sampled->has_value()) return std::nullopt;
  absl::Status status = preparer_->Prepare(**std::move(sampled), batch_);
  if (!status.ok()) return status;
  auto result = Train(batch_);
  if (!result.ok()) return result.status();
  return *std::move(result);
}

absl::StatusOr<TrainingResult> Learner::Train(PreparedBatch& batch) {
  times_.decode += batch.decode_seconds;
  times_.build += batch.build_seconds;
  Count(batch);
  auto result = TrainOn(batch);
  if (!result.ok()) return result;
  ++counters_.steps;
  if (ledger_ != nullptr) {
    absl::Status status =
        ledger_->Append(version_.generation(), counters_.steps, result->applied, batch.sampled);
    if (!status.ok()) return status;
  }
  if (batch.sampled.lease_id() != 0) samples_->Acknowledge(batch.sampled.lease_id());
  UpdatePriorities(batch, *result);
  Lap lap;
  absl::Status status = PublishPending(/*wait=*/batch.size() == 0);
  if (status.ok()) status = AfterStep(*result);
  lap.Add(times_.publish);
  if (!status.ok()) return status;
  return result;
}

void Learner::Count(const PreparedBatch& batch) {
  counters_.left_out += batch.left_out;
  counters_.illegal += batch.illegal;
  if (batch.illegal > 0 && warn_) {
    warn_(absl::StrCat("warning: left ", batch.illegal, " of ",
                       batch.sampled.batch().lengths_size(), " sampled trajectories behind, which ",
                       options_.identity.environment_fingerprint, " can't make: ", batch.problem));
  }
  const v1::TrajectoryBatch& columns = batch.sampled.batch();
  auto span = [](const auto& column) { return std::span(column.data(), column.size()); };
  version_lag_.Add(version_, span(columns.policy_generations()), span(columns.policy_versions()),
                   batch.kept);
}

absl::StatusOr<TrainingResult> Learner::TrainOn(PreparedBatch& batch) {
  if (batch.size() == 0) return TrainingResult();  // All left out: not applied.
  auto result = CatchExceptions("a training step",
                                [&] { return training_.RunRows(batch.rows, batch.log_rewards); });
  if (!result.ok()) return result;
  if (!result->applied) ++counters_.non_finite;
  trained_rewards_.Add(batch.log_rewards);
  counters_.trajectories += batch.size();
  counters_.transitions += result->transitions;
  return result;
}

void Learner::UpdatePriorities(const PreparedBatch& batch, const TrainingResult& result) {
  if (priorities_ == nullptr) return;
  const v1::SampledBatch& sampled = batch.sampled;
  // What can't be trained on gets 0, or it would come again and again.
  std::vector<double> priorities(sampled.batch().lengths_size(), 0.0);
  for (int64_t i = 0; i < batch.size(); ++i) {
    const double loss = result.trajectory_loss[i];
    if (std::isfinite(loss) && loss >= 0) priorities[batch.kept[i]] = loss;
  }
  for (size_t t = 0; t < options_.loss_tables.size(); ++t) {
    if (options_.loss_tables[t].empty()) continue;
    std::map<uint64_t, double> by_key;
    for (int i = 0; i < sampled.item_keys_size(); ++i) {
      const uint32_t table = sampled.table_index_size() > i ? sampled.table_index(i) : 0;
      if (table == t) by_key[sampled.item_keys(i)] = priorities[i];
    }
    priorities_->Add(options_.loss_tables[t], by_key);
  }
}

absl::Status Learner::AfterStep(const TrainingResult& result) {
  unusable_in_row_ = result.applied ? 0 : unusable_in_row_ + 1;
  if (unusable_in_row_ >= options_.max_unusable_in_row) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the last ", unusable_in_row_, " batches could not be trained on (", counters_.non_finite,
        " with a loss or gradient that isn't finite, ", counters_.left_out,
        " trajectories left out by reward_shaping, ", counters_.illegal,
        " illegal): lower learner.optimizer.learning_rate, set "
        "learner.optimizer.max_gradient_norm, or look at the oracle's answers"));
  }
  if (IsSeeded(SeededFault::kBroadcastOff)) return absl::OkStatus();
  if (counters_.steps % options_.publish_every_steps != 0) return absl::OkStatus();
  return Publish();
}

LearnerTimes Learner::times() const {
  LearnerTimes times = times_;
  times.forward_backward = training_.times().forward_backward;
  times.optimizer = training_.times().optimizer;
  return times;
}

}  // namespace anabranch
