// How an embedded run trains: in two threads, or in lock-step.
#include <ATen/Parallel.h>

#include <thread>
#include <utility>

#include "cli/train/embedded_run.h"
#include "learner/catch_exceptions.h"
#include "learner/run_directory.h"

namespace anabranch {
namespace {

// How long the learner must have been waiting before an actor that has done its share does more.
constexpr absl::Duration kStarved = absl::Milliseconds(200);

}  // namespace

absl::StatusOr<RunSummary> EmbeddedRun::Run() {
  // Two threads compute already; LibTorch's own would take turns with them.
  at::set_num_threads(1);
  return training_->Finish(options_.deterministic ? TrainInLockStep() : TrainWithTwoThreads());
}

absl::Status EmbeddedRun::TrainInLockStep() {
  return training_->Train([this]() -> absl::StatusOr<std::optional<TrainingResult>> {
    auto result = learner_->TryStep();
    if (!result.ok() || result->has_value()) return result;
    if (absl::Status status = actor_->RunOnce(); !status.ok()) return status;
    return std::nullopt;
  });
}

absl::Status EmbeddedRun::TrainWithTwoThreads() {
  std::thread actor([this] { RunActor(); });
  const absl::Status status =
      training_->Train([this]() -> absl::StatusOr<std::optional<TrainingResult>> {
        learner_waits_ = true;
        auto result = learner_->Step();
        learner_waits_ = false;
        if (!result.ok()) return result.status();
        return *std::move(result);
      });
  {
    absl::MutexLock lock(&mu_);
    over_ = true;
  }
  replay_->Close(absl::CancelledError("the run is over"));
  actor.join();
  return actor_status_.ok() ? status : actor_status_;
}

void EmbeddedRun::RunActor() {
  at::set_num_threads(1);
  actor_status_ =
      CatchExceptions("the actor", [this] { return actor_->Run([this] { return WantsMore(); }); });
  // The learner would wait for ever for what doesn't come any more.
  if (!actor_status_.ok()) replay_->Close(actor_status_);
}

bool EmbeddedRun::WantsMore() {
  absl::MutexLock lock(&mu_);
  while (!over_ && inserts_before_ + actor_->acknowledged() >= inserts_needed_) {
    // Enough for all steps to come, as far as one can reckon; a table that drops unused items makes
    // more necessary.
    const int64_t step = training_->step();
    const bool ended = mu_.AwaitWithTimeout(absl::Condition(&over_), kStarved);
    if (!ended && training_->step() == step && learner_waits_) break;
  }
  return !over_;
}

ProgressReport EmbeddedRun::Report() const {
  const v1::TrainingStatus status = training_->Status();
  ProgressReport report;
  report.step = static_cast<int64_t>(status.step());
  report.max_steps = static_cast<int64_t>(status.max_steps());
  report.first_step = static_cast<int64_t>(status.first_step());
  report.training_seconds = status.training_seconds();
  if (report.training_seconds > 0) {
    report.trajectories_per_second =
        static_cast<double>(actor_->state().trajectories - first_trajectory_) /
        report.training_seconds;
  }
  report.loss = status.loss();
  report.log_z = status.log_z();
  report.modes = modes_->num_modes();
  report.modes_found = static_cast<int64_t>(status.modes_found());
  if (status.has_total_variation()) report.tv = status.total_variation();
  return report;
}

void EmbeddedRun::OnStep(const TrainingResult&) {
  if (progress_->IsDue()) progress_->Show(Report());
}

void EmbeddedRun::OnEvaluation(const RunEvaluation&, bool last) {
  progress_->ShowEvaluation(Report(), last);
}

void EmbeddedRun::AddToMetrics(nlohmann::ordered_json& line) {
  const ActorState actor = actor_->state();
  line["trajectories"] = actor.trajectories;
  line["transitions"] = actor.transitions;
  line["rejected_trajectories"] = actor.rejected;
  line["non_finite_rewards"] = actor.non_finite;
  const ActorTimes times = actor_->times();
  line["actor_seconds"] = {{"policy", times.policy},   {"environment", times.environment},
                           {"reward", times.reward},   {"encode", times.encode},
                           {"weights", times.weights}, {"insert_wait", times.insert}};
}

absl::Status EmbeddedRun::AddToCheckpoint(v1::CheckpointManifest& manifest,
                                          std::map<std::string, std::string>& files) {
  SaveActor(manifest);
  auto replay = replay_->Save();
  if (!replay.ok()) return replay.status();
  files[kReplayFile] = *std::move(replay);
  return absl::OkStatus();
}

}  // namespace anabranch
