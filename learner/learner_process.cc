#include "learner/learner_process.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "learner/device.h"
#include "learner/learner_options.h"
#include "learner/reward_budget.h"
#include "learner/run_directory.h"
#include "learner/run_generation.h"
#include "runtime/components/sampling.h"
#include "runtime/config.h"

namespace anabranch {
namespace {

// How long a step waits for a batch before it looks at the budget.
constexpr absl::Duration kLook = absl::Milliseconds(250);

}  // namespace

absl::StatusOr<std::unique_ptr<LearnerProcess>> LearnerProcess::Create(
    LearnerProcessOptions options, FileSystem* file_system, ReplayClient& replay, Metrics& metrics,
    Log& log) {
  auto process =
      absl::WrapUnique(new LearnerProcess(std::move(options), file_system, replay, metrics, log));
  if (absl::Status status = process->Open(); !status.ok()) return status;
  return process;
}

LearnerProcess::LearnerProcess(LearnerProcessOptions options, FileSystem* file_system,
                               ReplayClient& replay, Metrics& metrics, Log& log)
    : options_(std::move(options)),
      config_(options_.config),
      file_system_(file_system),
      replay_(replay),
      log_(log),
      metrics_(metrics),
      patient_replay_({.patience = options_.patience,
                       .backoff = {},
                       .seed = options_.identity.incarnation,
                       .wait = [this](absl::Duration delay) { return WaitForStop(delay); }},
                      replay) {}

LearnerProcess::~LearnerProcess() = default;

v1::Handshake LearnerProcess::MakeHandshake() const {
  v1::Handshake handshake;
  handshake.set_run_id(options_.identity.run_id);
  handshake.set_environment_fingerprint(options_.identity.environment_fingerprint);
  handshake.mutable_source()->set_client_incarnation(options_.identity.incarnation);
  handshake.mutable_source()->set_actor_name(options_.name);
  return handshake;
}

absl::Status LearnerProcess::Open() {
  // Several processes share a machine, and threads of one product that wait for each other by
  // spinning take the others' cores: only who asks for more gets more.
  at::set_num_threads(std::max<int>(1, static_cast<int>(config_.threads())));
  auto device = OpenDevice(config_.device());
  if (!device.ok()) return device.status();
  if (!device->note.empty()) Note(device->note);
  auto model = options_.components.MakeModel(config_, device->device);
  if (!model.ok()) return model.status();
  model_ = *std::move(model);
  if (!options_.ledger.empty()) {
    auto ledger = TrainingLedger::Open(options_.ledger);
    if (!ledger.ok()) return ledger.status();
    ledger_ = *std::move(ledger);
  }
  if (absl::Status status = file_system_->MakeDirectories(options_.directory); !status.ok()) {
    return status;
  }
  CheckpointOwner owner;
  owner.run_id = options_.identity.run_id;
  owner.environment_fingerprint = options_.identity.environment_fingerprint;
  owner.reward_fingerprint = options_.components.reward_fingerprint;
  owner.reward_shaping_hash = options_.components.shaping->hash();
  auto found = FindLatestCheckpoint(*file_system_,
                                    JoinPath(options_.directory, kCheckpointsDirectory), owner);
  if (!found.ok()) return found.status();
  for (const std::string& warning : found->warnings) Note(absl::StrCat("warning: ", warning));
  resumed_ = std::move(found->checkpoint);
  return absl::OkStatus();
}

// Higher than that of any learner before, whether its trace is a checkpoint, the directory's own
// record, or a snapshot that replay keeps.
absl::Status LearnerProcess::TakeGeneration() {
  uint64_t at_least = resumed_.has_value() ? resumed_->manifest.generation() + 1 : 1;
  v1::GetInfoRequest request;
  *request.mutable_handshake() = MakeHandshake();
  auto info = patient_replay_.GetInfo(request);
  if (!info.ok()) return info.status();
  at_least = std::max(at_least, info->newest_snapshot().generation() + 1);
  acknowledged_ = static_cast<int64_t>(info->acknowledged_trajectories());
  auto generation =
      TakeRunGeneration(file_system_, options_.directory, options_.identity.run_id, at_least);
  if (!generation.ok()) return generation.status();
  generation_ = *generation;
  return file_system_->WriteAndSync(JoinPath(options_.directory, kConfigFile),
                                    PrintRunConfig(config_));
}

absl::Status LearnerProcess::MakeLearner(WeightSink& weights) {
  LearnerOptions options;
  options.identity = options_.identity;
  options.generation = generation_;
  options.training = TrainingStepOptionsFromConfig(config_.learner());
  options.publish_every_steps = static_cast<int64_t>(config_.learner().publish_every_steps());
  options.loss_tables = LossTablesFromConfig(config_.replay());
  const RunComponents& components = options_.components;
  auto learner = Learner::Create(options, *components.environment, model_, *components.objective,
                                 *components.shaping, weights);
  if (!learner.ok()) return learner.status();
  learner_ = *std::move(learner);
  modes_ = std::make_unique<ModeCounter>(*components.environment, components.reward.get());
  learner_->CountModes(modes_.get());
  learner_->KeepLedger(ledger_.get());
  learner_->OnWarning([this](absl::string_view message) { Note(message); });
  if (HasLossTables(config_.replay())) {
    PriorityUpdaterOptions priorities;
    priorities.handshake = MakeHandshake();
    priorities.warn = [this](absl::string_view message) { Note(message); };
    priorities_ = std::make_unique<PriorityUpdater>(std::move(priorities), replay_);
    learner_->SendPriorities(priorities_.get());
  }
  if (!resumed_.has_value()) return absl::OkStatus();
  return learner_->Restore(*resumed_, /*repeat=*/false);
}

absl::Status LearnerProcess::MakeTraining() {
  auto evaluator = RunEvaluator::Create(options_.components, config_, model_.policy->observation(),
                                        *modes_, patient_replay_, MakeHandshake());
  if (!evaluator.ok()) return evaluator.status();
  evaluator_ = *std::move(evaluator);
  if (absl::Status status = modes_->AddBestOf(patient_replay_, MakeHandshake()); !status.ok()) {
    return status;
  }
  TrainingRunOptions options;
  options.config = config_;
  options.directory = options_.directory;
  options.identity = options_.identity;
  options.resumed_path = resumed_.has_value() ? resumed_->path : "";
  options.stop_requested = [this](int64_t) { return Stopping(); };
  auto training =
      TrainingRun::Create(std::move(options), *learner_, model_, *evaluator_, file_system_, this);
  if (!training.ok()) return training.status();
  training_ = *std::move(training);
  return absl::OkStatus();
}

absl::Status LearnerProcess::StartSampling() {
  auto samples = replay_.OpenSample(SampleOpeningFromConfig(config_, MakeHandshake()));
  if (!samples.ok()) return samples.status();
  {
    absl::MutexLock lock(&mu_);
    samples_ = samples->get();
    if (stopping_) samples_->Cancel();
  }
  BatchPipelineOptions options;
  options.max_batches = config_.learner().prefetch_batches();
  options.threads = config_.learner().build_threads();
  return learner_->StartPipeline(*std::move(samples), options);
}

absl::StatusOr<RunSummary> LearnerProcess::Run(WeightSink& weights,
                                               std::function<absl::Status()> fenced,
                                               const std::function<void()>& serving) {
  if (auto summary = FinishedBefore(); summary.has_value()) {
    log_.Info(absl::StrCat("the run in ", options_.directory, " is finished; nothing to do"));
    return *std::move(summary);
  }
  fenced_ = std::move(fenced);
  WatchBudget();
  absl::Status status = TakeGeneration();
  if (status.ok()) status = MakeLearner(weights);
  if (status.ok()) status = MakeTraining();
  if (status.ok()) status = learner_->PublishFirst();
  if (!status.ok()) return status;
  log_.Info(absl::StrCat(resumed_.has_value() ? "going on from " : "beginning at ",
                         resumed_.has_value() ? resumed_->path : "step 0"),
            {{"generation", absl::StrCat(generation_)}, {"step", absl::StrCat(training_->step())}});
  UpdateStatus();
  if (serving) serving();
  auto summary = Train();
  absl::MutexLock lock(&mu_);
  status_.mutable_training()->set_finished(summary.ok() && summary->finished);
  if (summary.ok()) status_.mutable_training()->set_end_reason(summary->end_reason);
  return summary;
}

void LearnerProcess::WatchBudget() {
  if (options_.reward == nullptr || !HasLimit(config_.reward().budget())) return;
  BudgetWatchOptions options;
  options.request.set_run_id(options_.identity.run_id);
  options.request.set_environment_fingerprint(options_.identity.environment_fingerprint);
  options.interval = options_.budget_check;
  auto watch = std::make_unique<BudgetWatch>(std::move(options), *options_.reward);
  absl::MutexLock lock(&mu_);
  budget_ = std::move(watch);
}

absl::StatusOr<RunSummary> LearnerProcess::Train() {
  absl::Status trained;
  if (!training_->IsOver()) trained = StartSampling();
  if (trained.ok()) {
    std::thread fence([this] { WatchFence(); });
    trained = training_->Train([this] { return Step(); });
    {
      absl::MutexLock lock(&mu_);
      samples_ = nullptr;
      training_ended_ = true;
    }
    learner_->StopPipeline();
    fence.join();
  }
  if (absl::IsCancelled(trained) && Stopping()) trained = absl::OkStatus();
  return training_->Finish(trained);
}

absl::StatusOr<std::optional<TrainingResult>> LearnerProcess::Step() {
  if (budget_ == nullptr) {
    auto result = learner_->Step();
    if (!result.ok()) return result.status();
    return *std::move(result);
  }
  const absl::Duration wait = std::min(kLook, options_.last_batches);
  auto result = learner_->StepWithin(wait);
  if (!result.ok()) return result.status();
  if (result->has_value()) {
    starved_ = absl::ZeroDuration();
  } else {
    EndIfSpent(wait);
  }
  return result;
}

void LearnerProcess::EndIfSpent(absl::Duration waited) {
  const std::optional<v1::RewardBudget> budget = budget_->newest();
  starved_ = budget.has_value() && IsSpent(*budget) ? starved_ + waited : absl::ZeroDuration();
  if (starved_ < options_.last_batches) return;
  v1::GetInfoRequest request;
  *request.mutable_handshake() = MakeHandshake();
  if (!replay_.GetInfo(request).ok()) {  // One that is away may have more when it is back.
    starved_ = absl::ZeroDuration();
    return;
  }
  Note(absl::StrCat("the run ends: ", SayIsSpent(*budget)));
  training_->EndEarly(SayIsSpent(*budget));
}

void LearnerProcess::WatchFence() {
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      if (mu_.AwaitWithTimeout(absl::Condition(&training_ended_), options_.fence_check)) return;
    }
    if (MayWrite().ok()) continue;
    Stop();  // Finish finds out why.
    return;
  }
}

std::optional<RunSummary> LearnerProcess::FinishedBefore() const {
  if (!resumed_.has_value()) return std::nullopt;
  auto text = file_system_->Read(JoinPath(options_.directory, kSummaryFile));
  if (!text.ok()) return std::nullopt;
  RunSummary summary;
  summary.metrics = nlohmann::ordered_json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!IsFinished(summary.metrics, resumed_->manifest.step(), config_)) return std::nullopt;
  summary.end_reason = summary.metrics.value("end_reason", "");
  summary.checkpoint = resumed_->path;
  summary.finished = true;
  return summary;
}

}  // namespace anabranch
