// What a learner process tells its training, its log and whoever asks how it is doing.
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "learner/learner_process.h"
#include "learner/run_generation.h"

namespace anabranch {
namespace {

constexpr size_t kNotes = 100;  // As TrainingStatus promises.

}  // namespace

void LearnerProcess::Stop() {
  absl::MutexLock lock(&mu_);
  stopping_ = true;
  if (samples_ != nullptr) samples_->Cancel();
}

bool LearnerProcess::Stopping() const {
  absl::MutexLock lock(&mu_);
  return stopping_;
}

bool LearnerProcess::WaitForStop(absl::Duration timeout) {
  absl::MutexLock lock(&mu_);
  return mu_.AwaitWithTimeout(absl::Condition(&stopping_), timeout);
}

absl::Status LearnerProcess::MayWrite() {
  if (absl::Status status = fenced_ ? fenced_() : absl::OkStatus(); !status.ok()) return status;
  return CheckRunGeneration(*file_system_, options_.directory, generation_);
}

// Replay keeps the books of the run: what it has acknowledged is what was made.
void LearnerProcess::AddToMetrics(nlohmann::ordered_json& line) {
  v1::GetInfoRequest request;
  *request.mutable_handshake() = MakeHandshake();
  auto info = patient_replay_.GetInfo(request);
  if (info.ok()) {
    acknowledged_ = static_cast<int64_t>(info->acknowledged_trajectories());
  } else {
    Note(absl::StrCat("warning: the number of trajectories is an old one: ",
                      info.status().message()));
  }
  line["trajectories"] = acknowledged_;
  line["transitions"] = learner_->counters().transitions;
}

absl::Status LearnerProcess::AddToCheckpoint(v1::CheckpointManifest& manifest,
                                             std::map<std::string, std::string>&) {
  manifest.set_reward_fingerprint(options_.components.reward_fingerprint);
  return absl::OkStatus();
}

void LearnerProcess::OnStep(const TrainingResult& result) {
  metrics_.OnStep(result, *learner_);
  UpdateStatus();
}

void LearnerProcess::OnEvaluation(const RunEvaluation& evaluation, bool) {
  metrics_.OnEvaluation(evaluation);
  UpdateStatus();
  const v1::TrainingStatus status = training_->Status();
  const std::string tv =
      status.has_total_variation() ? absl::StrCat(status.total_variation()) : "unknown";
  log_.Info("evaluated", {{"step", absl::StrCat(status.step())},
                          {"loss", absl::StrCat(status.loss())},
                          {"log_z", absl::StrCat(status.log_z())},
                          {"tv", tv}});
}

void LearnerProcess::Note(absl::string_view message) {
  absl::string_view text = message;
  if (absl::ConsumePrefix(&text, "warning: ")) {
    log_.Warning(text);
  } else {
    log_.Info(text);
  }
  absl::MutexLock lock(&mu_);
  notes_.emplace_back(message);
  if (notes_.size() <= kNotes) return;
  notes_.pop_front();
  ++first_note_;
}

void LearnerProcess::UpdateStatus() {
  v1::TrainingStatus training = training_->Status();
  const LearnerCounters& counters = learner_->counters();
  const double waited = learner_->times().sample;
  absl::MutexLock lock(&mu_);
  *status_.mutable_training() = std::move(training);
  *status_.mutable_policy() = learner_->policy_version();
  status_.clear_totals();
  auto add = [this](const char* name, int64_t value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    v1::Total* total = status_.add_totals();
    total->set_name(name);
    total->set_value(static_cast<double>(value));
  };
  add("steps", counters.steps);
  add("trajectories", counters.trajectories);
  add("transitions", counters.transitions);
  add("non_finite_batches", counters.non_finite);
  add("left_out_trajectories", counters.left_out);
  add("illegal_trajectories", counters.illegal);
  status_.clear_waits();
  v1::WaitTotal* wait = status_.add_waits();
  wait->set_waits_for("samples");
  wait->set_seconds(waited);
}

void LearnerProcess::Describe(v1::GetStatusResponse& response) const {
  absl::MutexLock lock(&mu_);
  *response.mutable_totals() = status_.totals();
  *response.mutable_waits() = status_.waits();
  if (status_.has_policy()) *response.mutable_policy() = status_.policy();
  *response.mutable_training() = status_.training();
  v1::TrainingStatus* training = response.mutable_training();
  training->set_max_steps(config_.learner().max_steps());
  if (budget_ != nullptr) {
    if (auto budget = budget_->newest(); budget.has_value()) {
      *training->mutable_budget() = *std::move(budget);
    }
  }
  for (const std::string& note : notes_) training->add_notes(note);
  training->set_first_note(first_note_);
}

}  // namespace anabranch
