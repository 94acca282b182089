// How an embedded run trains: in two threads, or in lock-step.
#include <ATen/Parallel.h>

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/train/embedded_run.h"
#include "learner/catch_exceptions.h"
#include "learner/reward_budget.h"
#include "learner/run_directory.h"

namespace anabranch {
namespace {

// How long the learner must have been waiting before an actor that has done its share does more.
constexpr absl::Duration kStarved = absl::Milliseconds(200);
// How often a learner looks for a batch where an oracle may take its time,
constexpr absl::Duration kLook = absl::Milliseconds(2);
// and somebody whether a stop is requested.
constexpr absl::Duration kStopLook = absl::Milliseconds(50);

}  // namespace

absl::StatusOr<RunSummary> EmbeddedRun::Run() {
  // Two threads compute already; LibTorch's own would take turns with them.
  at::set_num_threads(1);
  std::atomic<bool> ended = false;
  std::thread stop_watch;
  if (reward_->may_wait()) stop_watch = std::thread([&] { WatchForStop(ended); });
  const absl::Status trained = options_.deterministic ? TrainInLockStep() : TrainWithTwoThreads();
  ended = true;
  if (stop_watch.joinable()) stop_watch.join();
  if (const int64_t pending = reward_->pending(); pending > 0) {
    progress_->Note(absl::StrCat(pending,
                                 " objects wait for an oracle's answer and are dropped; "
                                 "their tickets are kept, so that an answer is not paid twice"));
  }
  return training_->Finish(trained);
}

bool EmbeddedRun::StopRequested() const {
  return options_.stop_requested &&
         options_.stop_requested(training_ == nullptr ? 0 : training_->step());
}

void EmbeddedRun::WatchForStop(const std::atomic<bool>& ended) {
  while (!ended) {
    if (StopRequested()) {
      reward_->Cancel();
      return actor_->Cancel();
    }
    absl::SleepFor(kStopLook);
  }
}

absl::Status EmbeddedRun::TrainInLockStep() {
  return training_->Train([this] { return StepInLockStep(); });
}

absl::StatusOr<std::optional<TrainingResult>> EmbeddedRun::StepInLockStep() {
  auto result = learner_->TryStep();
  if (!result.ok() || result->has_value()) return result;
  if (reward_->IsSpent()) {
    training_->EndEarly(SayIsSpent(reward_->budget()));
    return std::nullopt;
  }
  if (absl::Status status = actor_->RunOnce(); !status.ok()) return status;
  if (progress_->IsDue()) progress_->Show(Report());
  return std::nullopt;
}

absl::StatusOr<std::optional<TrainingResult>> EmbeddedRun::StepBesideActor() {
  if (!reward_->may_wait()) {
    learner_waits_ = true;
    auto result = learner_->Step();
    learner_waits_ = false;
    if (!result.ok()) return result.status();
    return *std::move(result);
  }
  bool all_made = false;
  {
    absl::MutexLock lock(&mu_);
    all_made = actor_ended_;
  }
  auto result = learner_->TryStep();
  learner_waits_ = result.ok() && !result->has_value();
  if (!learner_waits_) return result;
  if (all_made) {
    training_->EndEarly(SayIsSpent(reward_->budget()));
    return result;
  }
  if (progress_->IsDue()) progress_->Show(Report());
  absl::MutexLock lock(&mu_);
  mu_.AwaitWithTimeout(absl::Condition(&actor_ended_), kLook);
  return result;
}

absl::Status EmbeddedRun::TrainWithTwoThreads() {
  std::thread actor([this] { RunActor(); });
  const absl::Status status = training_->Train([this] { return StepBesideActor(); });
  {
    absl::MutexLock lock(&mu_);
    over_ = true;
  }
  reward_->Cancel();
  actor_->Cancel();
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
  absl::MutexLock lock(&mu_);
  actor_ended_ = true;
}

bool EmbeddedRun::WantsMore() {
  if (reward_->IsSpent()) return false;
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
  if (reward_->has_budget()) report.budget = budget_rate_.Add(reward_->budget(), absl::Now());
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
