#include "actor/actor_process.h"

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "actor/oracle.h"
#include "runtime/error_reason.h"
#include "runtime/retry.h"

namespace anabranch {
namespace {

bool IsPowerOfTwo(int64_t n) { return (n & (n - 1)) == 0; }

int64_t RolloutTrajectories(const v1::RunConfig& config) {
  return config.actor().rollout_trajectories() > 0 ? config.actor().rollout_trajectories()
                                                   : config.learner().batch_trajectories();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ActorProcess>> ActorProcess::Create(
    const v1::RunConfig& config, const ActorProcessOptions& options,
    const RunComponents& components, Model model, Metrics& metrics, Log& log) {
  std::unique_ptr<Ledger> ledger;
  if (!options.ledger.empty()) {
    auto opened = Ledger::Open(options.ledger);
    if (!opened.ok()) return opened.status();
    ledger = *std::move(opened);
  }
  std::unique_ptr<KeyValueStore> store = MakeMemoryStore();
  if (!options.state.empty()) {
    auto opened = OpenStore(options.state);
    if (!opened.ok()) return opened.status();
    store = *std::move(opened);
  }
  auto process = absl::WrapUnique(new ActorProcess(config, options, components, std::move(model),
                                                   std::move(ledger), std::move(store), log));
  RegisterActorMetrics(metrics, [process = process.get()] { return process->Read(); });
  return process;
}

ActorProcess::ActorProcess(const v1::RunConfig& config, const ActorProcessOptions& options,
                           const RunComponents& components, Model model,
                           std::unique_ptr<Ledger> ledger, std::unique_ptr<KeyValueStore> store,
                           Log& log)
    : config_(config),
      options_(options),
      components_(components),
      model_(std::move(model)),
      store_(std::move(store)),
      log_(log),
      ledger_(std::move(ledger)) {}

absl::Status ActorProcess::CheckOracle(const Oracle& oracle) const {
  if (components_.reward == nullptr || !config_.reward().oracles().empty()) {
    return absl::OkStatus();
  }
  const std::string& ours = components_.reward->fingerprint();
  if (oracle.header.reward_fingerprint == ours) return absl::OkStatus();
  return WithReason(absl::FailedPreconditionError(absl::StrCat(
                        "the reward service computes '", oracle.header.reward_fingerprint,
                        "', this configuration '", ours,
                        "'; give all processes of a run the same configuration")),
                    kReasonFingerprintChanged);
}

absl::StatusOr<Oracle> ActorProcess::AwaitOracle(const ActorOptions& actor, RewardClient& reward) {
  Backoff backoff(options_.backoff, options_.incarnation);
  while (!stopped()) {
    auto oracle =
        DescribeOracle(actor, components_.environment->spec(), *components_.shaping, reward);
    if (oracle.ok()) {
      if (absl::Status status = CheckOracle(*oracle); !status.ok()) return status;
      return oracle;
    }
    if (!IsRetryable(oracle.status())) return oracle.status();
    const absl::Duration delay = backoff.Next();
    if (IsPowerOfTwo(backoff.tries())) {
      log_.Info("waiting for the reward service",
                {{"address", config_.cluster().reward_address()},
                 {"error", std::string(oracle.status().message())},
                 {"retry_in", absl::FormatDuration(delay)}});
    }
    if (!Sleep(delay)) break;
  }
  return absl::CancelledError("the actor ends");
}

absl::StatusOr<std::unique_ptr<InsertStream>> ActorProcess::OpenInserts(const ActorOptions& actor,
                                                                        ReplayClient& replay) {
  v1::InsertOpening opening;
  v1::Handshake& handshake = *opening.mutable_handshake();
  handshake.set_run_id(actor.identity.run_id);
  handshake.set_environment_fingerprint(actor.identity.environment_fingerprint);
  handshake.mutable_source()->set_client_incarnation(actor.identity.incarnation);
  handshake.mutable_source()->set_actor_name(actor.name);
  Backoff backoff(options_.backoff, ~actor.identity.incarnation);
  while (!stopped()) {
    auto inserts = replay.OpenInsert(opening);
    if (inserts.ok() || !IsRetryable(inserts.status())) return inserts;
    const absl::Duration delay = backoff.Next();
    if (IsPowerOfTwo(backoff.tries())) {
      log_.Info("waiting for replay", {{"address", config_.cluster().replay_address()},
                                       {"error", std::string(inserts.status().message())},
                                       {"retry_in", absl::FormatDuration(delay)}});
    }
    if (!Sleep(delay)) break;
  }
  return absl::CancelledError("the actor ends");
}

absl::Status ActorProcess::OpenPending(const ActorOptions& actor) {
  PendingOptions options;
  options.run_id = actor.identity.run_id;
  options.environment_fingerprint = actor.identity.environment_fingerprint;
  options.reward_shaping_hash = components_.shaping->hash();
  options.fresh_incarnation = FreshIncarnation();
  auto pending = PendingTrajectories::Open(*store_, std::move(options));
  if (!pending.ok()) {
    return absl::Status(pending.status().code(),
                        absl::StrCat("--state ", options_.state, ": ", pending.status().message()));
  }
  pending_ = *std::move(pending);
  if (pending_->size() + pending_->unacknowledged() > 0) {
    log_.Info("goes on with pending trajectories that an earlier process left",
              {{"pending", absl::StrCat(pending_->size())},
               {"answered_but_not_acknowledged", absl::StrCat(pending_->unacknowledged())}});
  }
  return absl::OkStatus();
}

void ActorProcess::LogPending() const {
  const int64_t left = pending_->size() + pending_->unacknowledged();
  if (left == 0) return;
  if (options_.state.empty()) {
    log_.Warning("pending trajectories are lost, for they were kept in memory; give --state DIR",
                 {{"trajectories", absl::StrCat(left)}});
  } else {
    log_.Info("pending trajectories are kept for the next start",
              {{"trajectories", absl::StrCat(left)}, {"state", options_.state}});
  }
}

PipelineOptions ActorProcess::MakePipelineOptions(const ActorOptions& actor,
                                                  const ActorPeers& peers) {
  PipelineOptions options;
  options.max_pending_batches = config_.actor().max_pending_batches();
  options.backoff = options_.backoff;
  options.samples_per_insert = config_.learner().samples_per_insert();
  options.cancel_reward = peers.cancel_reward;
  options.pending = pending_.get();
  options.open_inserts = [this, actor, replay = peers.replay](uint64_t incarnation) {
    ActorOptions own = actor;
    own.identity.incarnation = incarnation;
    return OpenInserts(own, *replay);
  };
  options.on_acknowledged = [this](const v1::InsertBatch& batch) { WriteLedger(batch); };
  return options;
}

absl::Status ActorProcess::MakePipeline(const ActorOptions& actor, const ActorPeers& peers) {
  if (absl::Status status = OpenPending(actor); !status.ok()) return status;
  auto oracle = AwaitOracle(actor, *peers.reward);
  if (!oracle.ok()) return oracle.status();
  auto inserts = OpenInserts(actor, *peers.replay);
  if (!inserts.ok()) return inserts.status();
  auto pipeline =
      ActorPipeline::Create(actor, MakePipelineOptions(actor, peers), *components_.environment,
                            std::move(model_), *components_.shaping, *std::move(oracle),
                            *peers.reward, *peers.weights, *std::move(inserts), log_);
  if (!pipeline.ok()) return pipeline.status();
  absl::MutexLock lock(&mu_);
  pipeline_ = *std::move(pipeline);
  if (stopped_) pipeline_->Stop(options_.grace);
  return absl::OkStatus();
}

absl::Status ActorProcess::Run(const std::string& run_id, const ActorPeers& peers,
                               const std::function<void()>& at_work) {
  ActorOptions actor;
  actor.identity = {run_id, components_.environment->spec().fingerprint, options_.incarnation};
  actor.name = options_.name;
  actor.seed = config_.seed();
  actor.stream = options_.stream.value_or(options_.incarnation);
  actor.rollout_trajectories = RolloutTrajectories(config_);
  actor.exploration = ExplorationSchedule::FromConfig(config_.actor().exploration());
  actor.allow_fingerprint_change = config_.reward().allow_fingerprint_change();
  absl::Status status = MakePipeline(actor, peers);
  if (absl::IsCancelled(status) && stopped()) return absl::OkStatus();
  if (!status.ok()) return status;
  at_work();
  ActorPipeline* pipeline;
  {
    absl::MutexLock lock(&mu_);
    pipeline = pipeline_.get();
  }
  status = pipeline->Run();
  const std::optional<ActorReadings> last = Read();
  log_.Info("rolled out", {{"trajectories", absl::StrCat(last->state.trajectories)},
                           {"acknowledged", absl::StrCat(last->counters.acknowledged)},
                           {"unacknowledged_batches", absl::StrCat(last->counters.pending)}});
  LogPending();
  std::unique_ptr<ActorPipeline> done;  // Ends its stream without the lock.
  absl::MutexLock lock(&mu_);
  last_ = last;
  done = std::move(pipeline_);
  return status;
}

void ActorProcess::Stop() {
  absl::MutexLock lock(&mu_);
  stopped_ = true;
  if (pipeline_ != nullptr) pipeline_->Stop(options_.grace);
}

bool ActorProcess::stopped() const {
  absl::MutexLock lock(&mu_);
  return stopped_;
}

bool ActorProcess::Sleep(absl::Duration duration) {
  absl::MutexLock lock(&mu_);
  return !mu_.AwaitWithTimeout(absl::Condition(&stopped_), duration);
}

void ActorProcess::WriteLedger(const v1::InsertBatch& batch) {
  absl::MutexLock lock(&ledger_mu_);
  if (ledger_ == nullptr || ledger_failed_) return;
  const absl::Status status = ledger_->Acknowledged(batch);
  if (status.ok()) return;
  ledger_failed_ = true;
  log_.Error("the ledger ends here", {{"error", std::string(status.message())}});
}

std::optional<ActorReadings> ActorProcess::Read() const {
  absl::MutexLock lock(&mu_);
  if (pipeline_ == nullptr) return last_;
  return ActorReadings{pipeline_->state(), pipeline_->times(), pipeline_->counters(),
                       pipeline_->policy()};
}

void ActorProcess::Describe(v1::GetStatusResponse& response) const {
  if (const auto readings = Read()) DescribeActor(*readings, response);
}

}  // namespace anabranch
