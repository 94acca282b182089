// An actor as a process of a cluster: joins, works, leaves, and tells how it is doing.
#ifndef ANABRANCH_ACTOR_ACTOR_PROCESS_H_
#define ANABRANCH_ACTOR_ACTOR_PROCESS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "actor/actor_pipeline.h"
#include "actor/actor_readings.h"
#include "actor/ledger.h"
#include "actor/pending_trajectories.h"
#include "actor/pipeline_options.h"
#include "anabranch/v1/config.pb.h"
#include "anabranch/v1/status.pb.h"
#include "gflownet/policy/model.h"
#include "runtime/channels.h"
#include "runtime/components/run_components.h"
#include "runtime/components/run_identity.h"
#include "runtime/key_value_store.h"
#include "runtime/log.h"
#include "runtime/metrics.h"

namespace anabranch {

struct ActorProcessOptions {
  uint64_t incarnation = 0;  // Random, drawn anew at each start; never 0.
  std::string name;          // For people.
  std::optional<uint64_t>
      stream;          // Of its random numbers; drawn from its incarnation if not given.
  std::string ledger;  // Path; empty keeps none.
  // Directory of the trajectories that wait for a slow oracle; empty keeps them in memory only.
  std::string state;
  absl::Duration grace = absl::Seconds(10);  // For what is pending when it is stopped.
  BackoffOptions backoff;
};

// Whom it works with.
struct ActorPeers {
  RewardClient* reward;
  std::function<void()> cancel_reward;  // See PipelineOptions.
  ReplayClient* replay;
  WeightSource* weights;
};

class ActorProcess {
 public:
  // Of a configuration with its defaults filled in. `components` outlives it, and so do metrics and
  // log. Opens ledger and state directory, whose errors say what is wrong with which. Registers
  // what is scraped: the process outlives the last scrape.
  static absl::StatusOr<std::unique_ptr<ActorProcess>> Create(const v1::RunConfig& config,
                                                              const ActorProcessOptions& options,
                                                              const RunComponents& components,
                                                              Model model, Metrics& metrics,
                                                              Log& log);

  // Waits until the reward service answers, then rolls out until stopped; `at_work` is called in
  // between. The peers are not used after it has returned. OK after Stop, and when replay has ended
  // the run. FAILED_PRECONDITION when the oracle is not the one that the configuration describes;
  // otherwise as ActorPipeline::Run. Once.
  absl::Status Run(const std::string& run_id, const ActorPeers& peers,
                   const std::function<void()>& at_work);

  // Rolls out no more; Run returns when what is pending is acknowledged, or the grace is over. From
  // any thread, also before Run.
  void Stop();

  // Totals, waits and the snapshot in use. From any thread.
  void Describe(v1::GetStatusResponse& response) const;

 private:
  ActorProcess(const v1::RunConfig& config, const ActorProcessOptions& options,
               const RunComponents& components, Model model, std::unique_ptr<Ledger> ledger,
               std::unique_ptr<KeyValueStore> store, Log& log);

  absl::StatusOr<Oracle> AwaitOracle(const ActorOptions& actor, RewardClient& reward);
  // Where the configuration says what the reward service computes, it must be that.
  absl::Status CheckOracle(const Oracle& oracle) const;
  absl::StatusOr<std::unique_ptr<InsertStream>> OpenInserts(const ActorOptions& actor,
                                                            ReplayClient& replay);
  absl::Status OpenPending(const ActorOptions& actor);
  PipelineOptions MakePipelineOptions(const ActorOptions& actor, const ActorPeers& peers);
  // Into pipeline_, with everything that it needs.
  absl::Status MakePipeline(const ActorOptions& actor, const ActorPeers& peers);
  void LogPending() const;
  void WriteLedger(const v1::InsertBatch& batch);
  // Nothing before it is at work.
  std::optional<ActorReadings> Read() const;
  // False, early, once stopped.
  bool Sleep(absl::Duration duration);
  bool stopped() const;

  const v1::RunConfig config_;
  const ActorProcessOptions options_;
  const RunComponents& components_;
  Model model_;  // Until the pipeline takes it.
  const std::unique_ptr<KeyValueStore> store_;
  std::unique_ptr<PendingTrajectories> pending_;  // From Run on.
  Log& log_;

  absl::Mutex ledger_mu_;  // One line at a time; taken before nothing else.
  const std::unique_ptr<Ledger> ledger_ ABSL_PT_GUARDED_BY(ledger_mu_);  // Null without one.
  bool ledger_failed_ ABSL_GUARDED_BY(ledger_mu_) = false;

  mutable absl::Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  // While Run works. The pointer is guarded; what it points to guards itself.
  std::unique_ptr<ActorPipeline> pipeline_ ABSL_GUARDED_BY(mu_);
  std::optional<ActorReadings> last_ ABSL_GUARDED_BY(mu_);  // Once it has worked.
};

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_ACTOR_PROCESS_H_
