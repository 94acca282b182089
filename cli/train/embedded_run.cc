#include "cli/train/embedded_run.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "cli/train/lock_step_insert.h"
#include "learner/device.h"
#include "learner/learner_options.h"
#include "learner/run_directory.h"
#include "runtime/components/sampling.h"
#include "runtime/config.h"

namespace anabranch {
namespace {

constexpr uint64_t kRolloutStream = 0x726f6c6c6f757400;  // "rollout", and the actor's number.
constexpr char kRewardDirectory[] = "reward";            // In --out, as of a cluster.
constexpr char kRolloutRandom[] = "rollout/0";

struct NamedCounter {
  const char* name;
  int64_t ActorState::* value;
};

constexpr NamedCounter kActorCounters[] = {
    {"actor/0/non_finite_rewards", &ActorState::non_finite},
    {"actor/0/rejected_trajectories", &ActorState::rejected},
    {"actor/0/trajectories", &ActorState::trajectories},
    {"actor/0/transitions", &ActorState::transitions},
};
constexpr char kActorSequence[] = "actor/0/sequence";

int64_t RolloutTrajectories(const v1::RunConfig& config) {
  return config.actor().rollout_trajectories() > 0 ? config.actor().rollout_trajectories()
                                                   : config.learner().batch_trajectories();
}

}  // namespace

absl::StatusOr<std::unique_ptr<EmbeddedRun>> EmbeddedRun::Create(EmbeddedRunOptions options,
                                                                 FileSystem* file_system,
                                                                 Progress* progress) {
  auto run = absl::WrapUnique(new EmbeddedRun(std::move(options), file_system, progress));
  absl::Status status;
  if (run->options_.components.has_value()) {
    run->components_ = *std::move(run->options_.components);
    run->own_components_ = true;
  } else {
    auto components = MakeRunComponents(run->config_);
    if (!components.ok()) return components.status();
    run->components_ = *std::move(components);
  }
  auto device = OpenDevice(run->config_.device());
  if (!device.ok()) return device.status();
  run->device_ = device->device;
  if (status = run->OpenDirectory(); !status.ok()) return status;
  const std::string config_yaml = PrintRunConfig(run->config_);
  run->MakeIdentity(config_yaml);
  if (status = run->MakeServices(); !status.ok()) return status;
  if (status = run->MakeLearner(); !status.ok()) return status;
  if (status = run->MakeActor(); !status.ok()) return status;
  if (status = run->Restore(); !status.ok()) return status;
  status = file_system->WriteAndSync(JoinPath(run->options_.directory, kConfigFile), config_yaml);
  if (!status.ok()) return status;
  return run;
}

EmbeddedRun::EmbeddedRun(EmbeddedRunOptions options, FileSystem* file_system, Progress* progress)
    : options_(std::move(options)),
      config_(options_.config),
      file_system_(file_system),
      progress_(progress),
      log_({.format = LogFormat::kText, .level = LogLevel::kWarning, .role = "train", .name = ""}) {
}

EmbeddedRun::~EmbeddedRun() = default;

absl::Status EmbeddedRun::OpenDirectory() {
  const std::string& directory = options_.directory;
  const bool same_directory = options_.resume_from == directory;
  for (const char* name : {kConfigFile, kMetricsFile, kCheckpointsDirectory}) {
    auto exists = file_system_->Exists(JoinPath(directory, name));
    if (!exists.ok()) return exists.status();
    if (*exists && options_.resume_from.empty()) {
      return absl::AlreadyExistsError(
          absl::StrCat(directory, " holds a run already (", name,
                       "); go on with it by --resume, or give another --out"));
    }
  }
  if (!options_.resume_from.empty()) {
    auto opened = OpenRun(*file_system_, options_.resume_from);
    if (!opened.ok()) return opened.status();
    for (const std::string& warning : opened->warnings) progress_->Note("warning: " + warning);
    const std::string& fingerprint = components_.environment->spec().fingerprint;
    absl::Status status = CheckOwner(opened->checkpoint.manifest, opened->checkpoint.path,
                                     {"", fingerprint, components_.reward_fingerprint, ""});
    if (!status.ok()) return status;
    resumed_ = std::move(opened->checkpoint);
    if (!same_directory) status = CheckNoNewer();
    if (!status.ok()) return status;
  }
  return file_system_->MakeDirectories(directory);
}

// A run that goes on from an older checkpoint must not find its own future in its directory.
absl::Status EmbeddedRun::CheckNoNewer() const {
  auto found =
      FindLatestCheckpoint(*file_system_, JoinPath(options_.directory, kCheckpointsDirectory), {});
  if (!found.ok()) return found.status();
  if (!found->checkpoint.has_value()) return absl::OkStatus();
  const v1::CheckpointManifest& newest = found->checkpoint->manifest;
  if (newest.run_id() == resumed_->manifest.run_id() &&
      newest.step() <= resumed_->manifest.step()) {
    return absl::OkStatus();
  }
  return absl::AlreadyExistsError(absl::StrCat(
      options_.directory, " holds ", found->checkpoint->path, " of run '", newest.run_id(),
      "', which is not what ", resumed_->path, " was before; give another --out"));
}

void EmbeddedRun::MakeIdentity(const std::string& config_yaml) {
  const std::string& name = config_.run_name();
  if (resumed_.has_value()) {
    identity_.run_id = resumed_->manifest.run_id();
  } else {
    identity_.run_id =
        options_.deterministic ? RepeatableRunId(name, config_yaml) : FreshRunId(name);
  }
  identity_.incarnation =
      options_.deterministic ? RepeatableIncarnation(identity_.run_id) : FreshIncarnation();
  identity_.environment_fingerprint = components_.environment->spec().fingerprint;
}

v1::Handshake EmbeddedRun::MakeHandshake() const {
  v1::Handshake handshake;
  handshake.set_run_id(identity_.run_id);
  handshake.set_environment_fingerprint(identity_.environment_fingerprint);
  handshake.mutable_source()->set_client_incarnation(identity_.incarnation);
  handshake.mutable_source()->set_actor_name("actor-0");
  return handshake;
}

absl::Status EmbeddedRun::MakeServices() {
  RunOracleOptions reward_options;
  reward_options.config = config_;
  reward_options.state = JoinPath(options_.directory, kRewardDirectory);
  reward_options.own_components = own_components_;
  reward_options.stop_requested = [this] { return StopRequested(); };
  reward_options.note = [this](absl::string_view message) { progress_->Note(message); };
  auto reward = RunOracle::Create(reward_options, components_, log_);
  if (!reward.ok()) return reward.status();
  reward_ = *std::move(reward);

  ReplayServiceOptions replay_options = ReplayServiceOptions::FromConfig(
      config_, identity_.run_id, identity_.environment_fingerprint);
  replay_options.reward_shaping_hash = components_.shaping->hash();
  replay_options.server_incarnation = identity_.incarnation;
  if (!options_.deterministic) replay_options.clock = absl::Now;
  auto replay = ReplayService::Create(std::move(replay_options));
  if (!replay.ok()) return replay.status();
  replay_ = *std::move(replay);
  if (!resumed_.has_value()) return absl::OkStatus();
  const auto state = resumed_->files.find(kReplayFile);
  if (state == resumed_->files.end()) {
    return absl::DataLossError(
        absl::StrCat("checkpoint ", resumed_->path, " has no ", kReplayFile));
  }
  return replay_->Restore(state->second);
}

absl::Status EmbeddedRun::MakeLearner() {
  auto model = components_.MakeModel(config_, device_);
  if (!model.ok()) return model.status();
  model_ = *std::move(model);
  LearnerOptions options;
  options.identity = identity_;
  options.training = TrainingStepOptionsFromConfig(config_.learner());
  options.publish_every_steps = static_cast<int64_t>(config_.learner().publish_every_steps());
  options.loss_tables = LossTablesFromConfig(config_.replay());
  auto learner = Learner::Create(options, *components_.environment, model_, *components_.objective,
                                 *components_.shaping, weights_);
  if (!learner.ok()) return learner.status();
  learner_ = *std::move(learner);
  modes_ = std::make_unique<ModeCounter>(*components_.environment, components_.reward.get());
  learner_->CountModes(modes_.get());
  if (HasLossTables(config_.replay())) {
    PriorityUpdaterOptions priorities;
    priorities.handshake = MakeHandshake();
    priorities.synchronous = options_.deterministic;
    priorities_ = std::make_unique<PriorityUpdater>(std::move(priorities), *replay_);
    learner_->SendPriorities(priorities_.get());
  }
  auto samples = replay_->OpenSample(SampleOpeningFromConfig(config_, MakeHandshake()));
  if (!samples.ok()) return samples.status();
  learner_->SetSamples(*std::move(samples));
  auto evaluator = RunEvaluator::Create(components_, config_, model_.policy->observation(), *modes_,
                                        *replay_, MakeHandshake());
  if (!evaluator.ok()) return evaluator.status();
  evaluator_ = *std::move(evaluator);
  return absl::OkStatus();
}

absl::Status EmbeddedRun::MakeActor() {
  auto model = components_.MakeModel(config_);
  if (!model.ok()) return model.status();
  v1::InsertOpening opening;
  *opening.mutable_handshake() = MakeHandshake();
  auto inserts = replay_->OpenInsert(opening);
  if (!inserts.ok()) return inserts.status();
  if (options_.deterministic) {
    *inserts =
        std::make_unique<LockStepInsert>(*replay_, identity_.incarnation, *std::move(inserts));
  }
  ActorOptions options;
  options.identity = identity_;
  options.seed = config_.seed();
  options.stream = kRolloutStream;
  options.rollout_trajectories = RolloutTrajectories(config_);
  options.exploration = ExplorationSchedule::FromConfig(config_.actor().exploration());
  options.allow_fingerprint_change = config_.reward().allow_fingerprint_change();
  auto actor = Actor::Create(options, *components_.environment, *std::move(model),
                             *components_.shaping, *reward_, weights_, *std::move(inserts));
  if (!actor.ok()) return actor.status();
  actor_ = *std::move(actor);
  return absl::OkStatus();
}

absl::Status EmbeddedRun::Restore() {
  const auto samples =
      static_cast<double>(config_.learner().max_steps()) * config_.learner().batch_trajectories();
  inserts_needed_ =
      static_cast<int64_t>(std::ceil(samples / config_.learner().samples_per_insert() - 1e-6));
  if (resumed_.has_value()) {
    absl::Status status = learner_->Restore(*resumed_, options_.deterministic);
    if (status.ok()) status = modes_->AddBestOf(*replay_, MakeHandshake());
    if (!status.ok()) return status;
    RestoreActor();
    v1::GetInfoRequest request;
    *request.mutable_handshake() = MakeHandshake();
    auto info = replay_->GetInfo(request);
    if (!info.ok()) return info.status();
    inserts_before_ = static_cast<int64_t>(info->acknowledged_trajectories());
  }
  first_trajectory_ = actor_->state().trajectories;
  TrainingRunOptions options;
  options.config = config_;
  options.directory = options_.directory;
  options.identity = identity_;
  options.deterministic = options_.deterministic;
  options.stop_requested = options_.stop_requested;
  const std::string own = JoinPath(options_.directory, kCheckpointsDirectory);
  if (resumed_.has_value() && ParentPath(resumed_->path) == own) {
    options.resumed_path = resumed_->path;
  }
  auto training =
      TrainingRun::Create(std::move(options), *learner_, model_, *evaluator_, file_system_, this);
  if (!training.ok()) return training.status();
  training_ = *std::move(training);
  return learner_->PublishFirst();
}

void EmbeddedRun::RestoreActor() {
  ActorState state;
  for (const NamedCounter& counter : kActorCounters) {
    state.*counter.value = FindCounter(resumed_->manifest, counter.name);
  }
  // A new incarnation counts its batches from 1 again.
  if (options_.deterministic) {
    state.sequence = static_cast<uint64_t>(FindCounter(resumed_->manifest, kActorSequence));
  }
  for (const v1::RandomStreamState& random : resumed_->manifest.random_streams()) {
    if (random.name() == kRolloutRandom) state.random_position = random.position();
  }
  actor_->Restore(state);
}

void EmbeddedRun::SaveActor(v1::CheckpointManifest& manifest) const {
  manifest.set_reward_fingerprint(components_.reward_fingerprint);
  const ActorState state = actor_->state();
  for (const NamedCounter& counter : kActorCounters) {
    AddCounter(manifest, counter.name, state.*counter.value);
  }
  AddCounter(manifest, kActorSequence, static_cast<int64_t>(state.sequence));
  v1::RandomStreamState* random = manifest.add_random_streams();
  random->set_name(kRolloutRandom);
  random->set_seed(config_.seed());
  random->set_stream(kRolloutStream);
  random->set_position(state.random_position);
}

}  // namespace anabranch
