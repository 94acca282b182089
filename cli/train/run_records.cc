// What an embedded run leaves: metrics, checkpoints, a summary.
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/train/embedded_run.h"
#include "learner/run_directory.h"
#include "runtime/config.h"

namespace anabranch {

using Json = nlohmann::ordered_json;

double EmbeddedRun::LogZ() const {
  return model_.log_z_segment >= 0 ? model_.parameters->Data(model_.log_z_segment)[0]
                                   : last_result_.log_z;
}

void EmbeddedRun::Evaluate(bool last) {
  auto evaluation = evaluator_->Evaluate(*model_.policy, LogZ(), step_);
  if (!evaluation.ok()) {
    progress_->Note(absl::StrCat("warning: no evaluation at step ", step_.load(), ": ",
                                 evaluation.status().message()));
    return;
  }
  evaluation_ = *std::move(evaluation);
  last_line_ = MetricsLine();
  const bool written_before =
      step_ == first_step_ && metrics_->last_kept().value("step", int64_t{-1}) == first_step_;
  if (!written_before) {
    absl::Status status = metrics_->Append(last_line_);
    if (!status.ok()) progress_->Note(absl::StrCat("warning: ", status.message()));
  }
  progress_->ShowEvaluation(Report(), last);
  loss_sum_ = 0;
  losses_ = 0;
}

Json EmbeddedRun::MetricsLine() const {
  const ActorState actor = actor_->state();
  const LearnerCounters& learner = learner_->counters();
  Json line;
  line["step"] = step_.load();
  line["trajectories"] = actor.trajectories;
  line["transitions"] = actor.transitions;
  line["seconds"] = seconds_before_ + clock_.Seconds();
  line["loss"] = losses_ > 0 ? loss_sum_ / static_cast<double>(losses_) : last_result_.loss;
  line["log_z"] = LogZ();
  evaluation_->AddTo(line);
  line["learning_rate"] = learner_->rate_factor() * config_.learner().optimizer().learning_rate();
  line["gradient_norm"] = last_result_.gradient_norm;
  line["rejected_trajectories"] = actor.rejected;
  line["non_finite_rewards"] = actor.non_finite;
  line["non_finite_batches"] = learner.non_finite;
  const ActorTimes a = actor_->times();
  line["actor_seconds"] =
      Json{{"policy", a.policy}, {"environment", a.environment}, {"reward", a.reward},
           {"encode", a.encode}, {"weights", a.weights},         {"insert_wait", a.insert}};
  const LearnerTimes l = learner_->times();
  line["learner_seconds"] =
      Json{{"sample_wait", l.sample},  {"decode", l.decode},
           {"build", l.build},         {"forward_backward", l.forward_backward},
           {"optimizer", l.optimizer}, {"publish", l.publish}};
  return line;
}

absl::Status EmbeddedRun::SaveCheckpoint() {
  v1::CheckpointManifest manifest;
  std::map<std::string, std::string> files;
  absl::Status status = learner_->Save(manifest, files);
  if (!status.ok()) return status;
  SaveActor(manifest);
  *manifest.mutable_config() = config_;
  auto replay = replay_->Save();
  if (!replay.ok()) return replay.status();
  files[kReplayFile] = *std::move(replay);
  files[kConfigFile] = PrintRunConfig(config_);
  auto saved = checkpoints_->Save(std::move(manifest), files);
  if (!saved.ok()) return saved.status();
  for (const std::string& warning : saved->warnings) progress_->Note("warning: " + warning);
  checkpoint_step_ = step_;
  checkpoint_path_ = saved->path;
  return absl::OkStatus();
}

absl::StatusOr<RunSummary> EmbeddedRun::Finish(const absl::Status& trained) {
  Evaluate(/*last=*/true);
  absl::Status saved;
  if (checkpoint_step_ != step_) saved = SaveCheckpoint();
  if (!trained.ok()) return trained;
  RunSummary summary;
  summary.checkpoint = checkpoint_path_;
  summary.finished = step_ >= static_cast<int64_t>(config_.learner().max_steps());
  summary.metrics = last_line_;
  const double seconds = clock_.Seconds();
  const auto steps = static_cast<double>(step_ - first_step_);
  summary.metrics["iterations_per_second"] = seconds > 0 ? steps / seconds : 0.0;
  summary.metrics["run_id"] = identity_.run_id;
  summary.metrics["environment"] = identity_.environment_fingerprint;
  summary.metrics["deterministic"] = options_.deterministic;
  summary.metrics["finished"] = summary.finished;
  summary.metrics["checkpoint"] = summary.checkpoint;
  const absl::Status written = metrics_->WriteSummary(summary.metrics);
  if (!saved.ok()) {
    return absl::Status(
        saved.code(), absl::StrCat("the last checkpoint could not be written: ", saved.message()));
  }
  if (!written.ok()) return written;
  return summary;
}

}  // namespace anabranch
