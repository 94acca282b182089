#include "learner/training_run.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "learner/catch_exceptions.h"
#include "learner/reward_budget.h"
#include "learner/run_directory.h"
#include "runtime/config.h"

namespace anabranch {

using Json = nlohmann::ordered_json;

bool IsFinished(const Json& summary, uint64_t step, const v1::RunConfig& config) {
  if (!summary.is_object() || !summary.value("finished", false) ||
      summary.value("step", uint64_t{0}) != step) {
    return false;
  }
  if (step >= config.learner().max_steps()) return true;
  const auto spent = summary.find("budget");
  if (spent == summary.end() || !spent->is_object()) return false;
  v1::BudgetConfig before;
  before.set_max_evaluations(spent->value("max_evaluations", uint64_t{0}));
  before.set_max_cost(spent->value("max_cost", 0.0));
  return !IsRaised(before, config.reward().budget());
}

absl::StatusOr<std::unique_ptr<TrainingRun>> TrainingRun::Create(TrainingRunOptions options,
                                                                 Learner& learner, Model& model,
                                                                 RunEvaluator& evaluator,
                                                                 FileSystem* file_system,
                                                                 TrainingHost* host) {
  auto run = absl::WrapUnique(
      new TrainingRun(std::move(options), learner, model, evaluator, file_system, host));
  auto metrics = MetricsWriter::Open(file_system, run->options_.directory, run->first_step_);
  if (!metrics.ok()) return metrics.status();
  run->metrics_ = *std::move(metrics);
  run->seconds_before_ = run->metrics_->last_kept().value("seconds", 0.0);
  return run;
}

TrainingRun::TrainingRun(TrainingRunOptions options, Learner& learner, Model& model,
                         RunEvaluator& evaluator, FileSystem* file_system, TrainingHost* host)
    : options_(std::move(options)),
      learner_(learner),
      model_(model),
      evaluator_(evaluator),
      host_(host),
      checkpoints_(file_system, JoinPath(options_.directory, kCheckpointsDirectory),
                   options_.config.learner().checkpoint().keep()),
      step_(learner.counters().steps),
      first_step_(learner.counters().steps) {
  last_result_.log_z = LogZ();
  if (options_.resumed_path.empty()) return;
  checkpoint_step_ = first_step_;
  checkpoint_path_ = options_.resumed_path;
}

bool TrainingRun::IsOver() const {
  return step_ >= max_steps() || !end_reason_.empty() ||
         (options_.stop_requested && options_.stop_requested(step_));
}

absl::Status TrainingRun::Train(const NextStep& next) {
  clock_.Start();
  const absl::Status trained = CatchExceptions("training", [&]() -> absl::Status {
    while (!IsOver()) {
      auto result = next();
      if (absl::IsCancelled(result.status()) && IsOver()) break;
      if (!result.ok()) return result.status();
      if (!result->has_value()) continue;
      if (absl::Status status = AfterStep(**result); !status.ok()) return status;
    }
    return absl::OkStatus();
  });
  clock_.Stop();
  return trained;
}

absl::Status TrainingRun::AfterStep(const TrainingResult& result) {
  const int64_t step = ++step_;
  last_result_ = result;
  if (result.applied) {
    loss_sum_ += result.loss;
    ++losses_;
  }
  auto due = [&](uint64_t every) {
    return every > 0 && step % static_cast<int64_t>(every) == 0 && step < max_steps();
  };
  absl::Status status;
  if (due(options_.config.evaluation().every_steps())) {
    clock_.Stop();
    status = Evaluate(/*last=*/false);
    clock_.Start();
  }
  if (status.ok() && due(options_.config.learner().checkpoint().every_steps())) {
    clock_.Stop();
    status = host_->MayWrite();
    if (status.ok()) {
      if (absl::Status saved = SaveCheckpoint(); !saved.ok()) {
        host_->Note(absl::StrCat("warning: no checkpoint at step ", step,
                                 ", training goes on: ", saved.message()));
      }
    }
    clock_.Start();
  }
  host_->OnStep(result);
  return status;
}

double TrainingRun::LogZ() const {
  return model_.log_z_segment >= 0 ? model_.LogZ().item<float>() : last_result_.log_z;
}

double TrainingRun::MeanLoss() const {
  return losses_ > 0 ? loss_sum_ / static_cast<double>(losses_) : last_result_.loss;
}

absl::Status TrainingRun::Evaluate(bool last) {
  if (absl::Status status = host_->MayWrite(); !status.ok()) return status;
  auto evaluation = evaluator_.Evaluate(*model_.policy, LogZ(), step_);
  if (!evaluation.ok()) {
    host_->Note(absl::StrCat("warning: no evaluation at step ", step_.load(), ": ",
                             evaluation.status().message()));
    return absl::OkStatus();
  }
  evaluation_ = *std::move(evaluation);
  last_line_ = MetricsLine();
  const bool written_before =
      step_ == first_step_ && metrics_->last_kept().value("step", int64_t{-1}) == first_step_;
  if (!written_before) {
    absl::Status status = metrics_->Append(last_line_);
    if (!status.ok()) host_->Note(absl::StrCat("warning: ", status.message()));
  }
  host_->OnEvaluation(*evaluation_, last);
  learner_.trained_rewards().Clear();
  loss_sum_ = 0;
  losses_ = 0;
  return absl::OkStatus();
}

Json TrainingRun::MetricsLine() const {
  Json line;
  line["step"] = step_.load();
  host_->AddToMetrics(line);
  line["seconds"] = seconds_before_ + clock_.Seconds();
  line["loss"] = MeanLoss();
  line["log_z"] = LogZ();
  evaluation_->AddTo(line);
  learner_.trained_rewards().AddTo(line);
  line["learning_rate"] =
      learner_.rate_factor() * options_.config.learner().optimizer().learning_rate();
  line["gradient_norm"] = last_result_.gradient_norm;
  line["non_finite_batches"] = learner_.counters().non_finite;
  line["illegal_trajectories"] = learner_.counters().illegal;
  const VersionLag& lag = learner_.version_lag();
  line["version_lag_mean"] = lag.Mean();
  line["version_lag_p99"] = lag.Quantile(0.99);
  line["version_lag_max"] = lag.Max();
  line["older_generation_trajectories"] = lag.older_generations();
  const LearnerTimes times = learner_.times();
  line["learner_seconds"] =
      Json{{"sample_wait", times.sample},  {"decode", times.decode},
           {"build", times.build},         {"forward_backward", times.forward_backward},
           {"optimizer", times.optimizer}, {"publish", times.publish}};
  return line;
}

absl::Status TrainingRun::SaveCheckpoint() {
  v1::CheckpointManifest manifest;
  std::map<std::string, std::string> files;
  absl::Status status = learner_.Save(manifest, files);
  if (status.ok()) status = host_->AddToCheckpoint(manifest, files);
  if (!status.ok()) return status;
  *manifest.mutable_config() = options_.config;
  files[kConfigFile] = PrintRunConfig(options_.config);
  auto saved = checkpoints_.Save(std::move(manifest), files);
  if (!saved.ok()) return saved.status();
  for (const std::string& warning : saved->warnings) {
    host_->Note(absl::StrCat("warning: ", warning));
  }
  checkpoint_step_ = step_;
  checkpoint_path_ = saved->path;
  return absl::OkStatus();
}

absl::StatusOr<RunSummary> TrainingRun::Finish(const absl::Status& trained) {
  if (absl::Status status = host_->MayWrite(); !status.ok()) {
    return trained.ok() ? status : trained;
  }
  absl::Status saved;
  const absl::Status finished = CatchExceptions("the end of the run", [&] {
    absl::Status status = Evaluate(/*last=*/true);
    if (status.ok() && checkpoint_step_ != step_) saved = SaveCheckpoint();
    return status;
  });
  if (!trained.ok()) return trained;
  if (!finished.ok()) return finished;
  auto summary = WriteSummary();
  if (!saved.ok()) {
    return absl::Status(
        saved.code(), absl::StrCat("the last checkpoint could not be written: ", saved.message()));
  }
  return summary;
}

absl::StatusOr<RunSummary> TrainingRun::WriteSummary() {
  RunSummary summary;
  summary.checkpoint = checkpoint_path_;
  summary.finished = step_ >= max_steps() || !end_reason_.empty();
  summary.end_reason = end_reason_;
  summary.metrics = last_line_;
  const double seconds = clock_.Seconds();
  const auto steps = static_cast<double>(step_ - first_step_);
  summary.metrics["iterations_per_second"] = seconds > 0 ? steps / seconds : 0.0;
  summary.metrics["run_id"] = options_.identity.run_id;
  summary.metrics["environment"] = options_.identity.environment_fingerprint;
  summary.metrics["deterministic"] = options_.deterministic;
  summary.metrics["finished"] = summary.finished;
  if (!end_reason_.empty()) {
    const v1::BudgetConfig& budget = options_.config.reward().budget();
    summary.metrics["end_reason"] = end_reason_;
    summary.metrics["budget"] = {{"max_evaluations", budget.max_evaluations()},
                                 {"max_cost", budget.max_cost()}};
  }
  summary.metrics["checkpoint"] = summary.checkpoint;
  if (absl::Status status = metrics_->WriteSummary(summary.metrics); !status.ok()) return status;
  return summary;
}

v1::TrainingStatus TrainingRun::Status() const {
  v1::TrainingStatus status;
  status.set_step(step_);
  status.set_max_steps(max_steps());
  status.set_first_step(first_step_);
  status.set_training_seconds(clock_.Seconds());
  status.set_trajectories(learner_.counters().trajectories);
  status.set_end_reason(end_reason_);
  status.set_loss(MeanLoss());
  status.set_log_z(last_result_.log_z);
  if (evaluation_.has_value()) {
    if (evaluation_->exact.has_value()) {
      status.set_total_variation(evaluation_->exact->total_variation);
    }
    status.set_modes_found(evaluation_->modes_found);
    status.set_modes(evaluation_->modes);
  }
  return status;
}

}  // namespace anabranch
