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
  auto process = absl::WrapUnique(
      new ActorProcess(config, options, components, std::move(model), std::move(ledger), log));
  RegisterActorMetrics(metrics, [process = process.get()] { return process->Read(); });
  return process;
}

ActorProcess::ActorProcess(const v1::RunConfig& config, const ActorProcessOptions& options,
                           const RunComponents& components, Model model,
                           std::unique_ptr<Ledger> ledger, Log& log)
    : config_(config),
      options_(options),
      components_(components),
      model_(std::move(model)),
      ledger_(std::move(ledger)),
      log_(log) {}

absl::StatusOr<Oracle> ActorProcess::AwaitOracle(const ActorOptions& actor, RewardClient& reward) {
  Backoff backoff(options_.backoff, options_.incarnation);
  while (!stopped()) {
    auto oracle =
        DescribeOracle(actor, components_.environment->spec(), *components_.shaping, reward);
    if (oracle.ok()) {
      const std::string& ours = components_.reward->fingerprint();
      if (oracle->header.reward_fingerprint == ours) return oracle;
      return WithReason(absl::FailedPreconditionError(absl::StrCat(
                            "the reward service computes '", oracle->header.reward_fingerprint,
                            "', this configuration '", ours,
                            "'; give all processes of a run the same configuration")),
                        kReasonFingerprintChanged);
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
  handshake.mutable_source()->set_client_incarnation(options_.incarnation);
  handshake.mutable_source()->set_actor_name(actor.name);
  Backoff backoff(options_.backoff, ~options_.incarnation);
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

absl::Status ActorProcess::MakePipeline(const ActorOptions& actor, const ActorPeers& peers) {
  auto oracle = AwaitOracle(actor, *peers.reward);
  if (!oracle.ok()) return oracle.status();
  auto inserts = OpenInserts(actor, *peers.replay);
  if (!inserts.ok()) return inserts.status();
  PipelineOptions options;
  options.max_pending_batches = config_.actor().max_pending_batches();
  options.backoff = options_.backoff;
  options.samples_per_insert = config_.learner().samples_per_insert();
  options.cancel_reward = peers.cancel_reward;
  if (ledger_ != nullptr) {
    options.on_acknowledged = [this](const v1::InsertBatch& batch) { WriteLedger(batch); };
  }
  auto pipeline = ActorPipeline::Create(actor, std::move(options), *components_.environment,
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
  if (ledger_failed_) return;
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
