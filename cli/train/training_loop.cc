// How an embedded run trains: in two threads, or in lock-step.
#include <ATen/Parallel.h>

#include <exception>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/train/embedded_run.h"

namespace anabranch {
namespace {

// How long the learner must have been waiting before an actor that has done its share does more.
constexpr absl::Duration kStarved = absl::Milliseconds(200);

// LibTorch reports by exceptions, which end here.
template <typename F>
absl::Status CatchAll(absl::string_view who, F run) {
  try {
    return run();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat(who, " ran out of memory"));
  } catch (const c10::Error& error) {
    return absl::InternalError(absl::StrCat(who, ": ", error.what_without_backtrace()));
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat(who, ": ", error.what()));
  }
}

}  // namespace

absl::StatusOr<RunSummary> EmbeddedRun::Run() {
  // Two threads compute already; LibTorch's own would take turns with them.
  at::set_num_threads(1);
  const absl::Status trained = Train();
  absl::StatusOr<RunSummary> summary = absl::InternalError("");
  const absl::Status finished = CatchAll("the end of the run", [&] {
    summary = Finish(trained);
    return absl::OkStatus();
  });
  if (!trained.ok()) return trained;
  if (!finished.ok()) return finished;
  return summary;
}

absl::Status EmbeddedRun::Train() {
  return CatchAll("training", [&] {
    clock_.Start();
    absl::Status status = options_.deterministic ? TrainInLockStep() : TrainWithTwoThreads();
    clock_.Stop();
    return status;
  });
}

absl::Status EmbeddedRun::TrainInLockStep() {
  while (!IsOver()) {
    auto result = learner_->TryStep();
    if (!result.ok()) return result.status();
    if (result->has_value()) {
      AfterStep(**result);
    } else if (absl::Status status = actor_->RunOnce(); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status EmbeddedRun::TrainWithTwoThreads() {
  std::thread actor([this] { RunActor(); });
  absl::Status status;
  while (status.ok() && !IsOver()) {
    learner_waits_ = true;
    auto result = learner_->Step();
    learner_waits_ = false;
    status = result.status();
    if (status.ok()) AfterStep(*result);
  }
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
      CatchAll("the actor", [this] { return actor_->Run([this] { return WantsMore(); }); });
  // The learner would wait for ever for what doesn't come any more.
  if (!actor_status_.ok()) replay_->Close(actor_status_);
}

bool EmbeddedRun::WantsMore() {
  absl::MutexLock lock(&mu_);
  while (!over_ && inserts_before_ + actor_->acknowledged() >= inserts_needed_) {
    // Enough for all steps to come, as far as one can reckon; a table that drops unused items makes
    // more necessary.
    const int64_t step = step_;
    const bool ended = mu_.AwaitWithTimeout(absl::Condition(&over_), kStarved);
    if (!ended && step_ == step && learner_waits_) break;
  }
  return !over_;
}

bool EmbeddedRun::IsOver() const {
  return step_ >= static_cast<int64_t>(config_.learner().max_steps()) ||
         (options_.stop_requested && options_.stop_requested(step_));
}

void EmbeddedRun::AfterStep(const TrainingResult& result) {
  const int64_t step = ++step_;
  last_result_ = result;
  if (result.applied) {
    loss_sum_ += result.loss;
    ++losses_;
  }
  const v1::EvaluationConfig& evaluation = config_.evaluation();
  const v1::CheckpointConfig& checkpoint = config_.learner().checkpoint();
  auto due = [&](uint64_t every) {
    return every > 0 && step % static_cast<int64_t>(every) == 0 &&
           step < static_cast<int64_t>(config_.learner().max_steps());
  };
  if (due(evaluation.every_steps())) {
    clock_.Stop();
    Evaluate(/*last=*/false);
    clock_.Start();
  }
  if (due(checkpoint.every_steps())) {
    clock_.Stop();
    if (absl::Status status = SaveCheckpoint(); !status.ok()) {
      progress_->Note(absl::StrCat("warning: no checkpoint at step ", step,
                                   ", training goes on: ", status.message()));
    }
    clock_.Start();
  }
  if (progress_->IsDue()) progress_->Show(Report());
}

ProgressReport EmbeddedRun::Report() const {
  ProgressReport report;
  report.step = step_;
  report.max_steps = static_cast<int64_t>(config_.learner().max_steps());
  report.first_step = first_step_;
  report.training_seconds = clock_.Seconds();
  if (report.training_seconds > 0) {
    report.trajectories_per_second =
        static_cast<double>(actor_->state().trajectories - first_trajectory_) /
        report.training_seconds;
  }
  report.loss = losses_ > 0 ? loss_sum_ / static_cast<double>(losses_) : last_result_.loss;
  report.log_z = LogZ();
  report.modes = components_.reward->num_modes();
  report.modes_found = evaluation_.has_value() ? evaluation_->modes_found : 0;
  if (evaluation_.has_value() && evaluation_->exact.has_value()) {
    report.tv = evaluation_->exact->total_variation;
  }
  return report;
}

}  // namespace anabranch
