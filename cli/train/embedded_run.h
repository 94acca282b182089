// All roles of a run in one process, over the same components and contracts as a cluster.
#ifndef ANABRANCH_CLI_TRAIN_EMBEDDED_RUN_H_
#define ANABRANCH_CLI_TRAIN_EMBEDDED_RUN_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "actor/actor.h"
#include "anabranch/v1/config.pb.h"
#include "cli/progress/budget_rate.h"
#include "cli/progress/progress.h"
#include "cli/train/in_process_channels.h"
#include "cli/train/run_oracle.h"
#include "learner/checkpoint.h"
#include "learner/learner.h"
#include "learner/mode_counter.h"
#include "learner/run_evaluation.h"
#include "learner/training_run.h"
#include "nlohmann/json.hpp"
#include "replay/replay_service.h"
#include "runtime/components/run_components.h"
#include "runtime/file_system.h"
#include "runtime/log.h"

namespace anabranch {

struct EmbeddedRunOptions {
  v1::RunConfig config;   // Defaults filled in, validated.
  std::string directory;  // --out
  // Lock-step in one thread: the same configuration gives the same bytes. Otherwise actor and
  // learner have a thread each, and the actor works a batch or two ahead.
  bool deterministic = false;
  // Where to go on from: a run's directory, or one checkpoint of it. Empty begins a new run.
  std::string resume_from;
  // Asked with the steps done so far; true ends the run in order, with a checkpoint.
  std::function<bool(int64_t step)> stop_requested;
  // Environment and reward that no configuration knows, for tests and for programs of one's own.
  std::optional<RunComponents> components;
};

class EmbeddedRun final : private TrainingHost {
 public:
  // Makes everything and reads the checkpoint to go on from. Nothing is written yet, except that
  // `directory` is made. ALREADY_EXISTS for a directory that holds another run; FAILED_PRECONDITION
  // for a checkpoint of another environment, run or network (each named); NOT_FOUND where there is
  // nothing to go on from; CANCELLED where a stop is requested while it waits for oracles. File
  // system and progress outlive it.
  static absl::StatusOr<std::unique_ptr<EmbeddedRun>> Create(EmbeddedRunOptions options,
                                                             FileSystem* file_system,
                                                             Progress* progress);
  ~EmbeddedRun() override;

  // Trains until max_steps, until the budget of oracle calls is spent and all that it bought is
  // trained on, or until stopped; objects that still wait for an oracle are dropped then. Blocks. A
  // checkpoint that can't be written while training is noted, and training goes on; an error of the
  // last one is returned. Call it once.
  absl::StatusOr<RunSummary> Run();

  const RunIdentity& identity() const { return identity_; }

 private:
  EmbeddedRun(EmbeddedRunOptions options, FileSystem* file_system, Progress* progress);

  // Making and restoring; embedded_run.cc.
  absl::Status OpenDirectory();
  absl::Status CheckNoNewer() const;
  void MakeIdentity(const std::string& config_yaml);
  absl::Status MakeServices();
  absl::Status MakeActor();
  absl::Status MakeLearner();
  absl::Status Restore();
  void RestoreActor();
  void SaveActor(v1::CheckpointManifest& manifest) const;
  v1::Handshake MakeHandshake() const;

  // Training; training_loop.cc.
  absl::Status TrainWithTwoThreads();
  absl::Status TrainInLockStep();
  void RunActor();
  absl::StatusOr<std::optional<TrainingResult>> StepInLockStep();
  // A step of the learner's thread. With an oracle that may wait it blocks for a moment at most,
  // and ends the run where the actor has no budget left and all that it made is trained on.
  absl::StatusOr<std::optional<TrainingResult>> StepBesideActor();
  bool StopRequested() const;
  // Until `ended`: whoever waits for an oracle is let go once a stop is requested.
  void WatchForStop(const std::atomic<bool>& ended);
  // Whether the actor should roll out another batch; waits while the run has all that it needs.
  bool WantsMore();
  ProgressReport Report() const;
  // What the training asks of its host.
  void AddToMetrics(nlohmann::ordered_json& line) override;
  absl::Status AddToCheckpoint(v1::CheckpointManifest& manifest,
                               std::map<std::string, std::string>& files) override;
  void OnStep(const TrainingResult& result) override;
  void OnEvaluation(const RunEvaluation& evaluation, bool last) override;
  void Note(absl::string_view message) override { progress_->Note(message); }

  EmbeddedRunOptions options_;
  const v1::RunConfig& config_;
  FileSystem* const file_system_;
  Progress* const progress_;
  std::optional<Checkpoint> resumed_;
  RunIdentity identity_;
  RunComponents components_;

  Log log_;  // Of the oracles' gateway.
  bool own_components_ = false;
  std::unique_ptr<RunOracle> reward_;
  std::unique_ptr<ReplayService> replay_;
  InProcessWeights weights_;
  at::Device device_ = at::kCPU;  // The learner's.
  Model model_;                   // The learner's.
  std::unique_ptr<ModeCounter> modes_;
  std::unique_ptr<PriorityUpdater> priorities_;  // Null where no table's priorities are losses.
  std::unique_ptr<Learner> learner_;
  std::unique_ptr<Actor> actor_;
  std::unique_ptr<RunEvaluator> evaluator_;
  std::unique_ptr<TrainingRun> training_;

  // Between the two threads.
  absl::Mutex mu_;
  bool over_ ABSL_GUARDED_BY(mu_) = false;
  bool actor_ended_ ABSL_GUARDED_BY(mu_) = false;
  std::atomic<bool> learner_waits_ = false;
  absl::Status actor_status_;   // Read after the actor's thread has ended.
  int64_t inserts_before_ = 0;  // Trajectories in replay's books when this process began.
  int64_t inserts_needed_ = 0;  // When the learner has had enough for max_steps.

  int64_t first_trajectory_ = 0;
  mutable BudgetRate budget_rate_;
};

}  // namespace anabranch

#endif  // ANABRANCH_CLI_TRAIN_EMBEDDED_RUN_H_
