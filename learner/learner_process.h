// A learner as a process of its own: everything but sockets and flags.
#ifndef ANABRANCH_LEARNER_LEARNER_PROCESS_H_
#define ANABRANCH_LEARNER_LEARNER_PROCESS_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "anabranch/v1/status.pb.h"
#include "learner/budget_watch.h"
#include "learner/learner.h"
#include "learner/learner_metrics.h"
#include "learner/patient_replay.h"
#include "learner/training_run.h"
#include "runtime/components/run_components.h"
#include "runtime/log.h"

namespace anabranch {

struct LearnerProcessOptions {
  v1::RunConfig config;      // Defaults filled in, validated.
  RunComponents components;  // Of that configuration.
  std::string directory;     // --out; a run that is there goes on by itself.
  RunIdentity identity;      // Whose run_id is replay's.
  std::string name = "learner";
  std::string ledger;                             // --ledger; empty for none.
  absl::Duration patience = absl::Minutes(1);     // With a replay that doesn't answer.
  absl::Duration fence_check = absl::Seconds(1);  // Between two looks at whether it is fenced.
  // Asked for the budget, where the configuration limits it. Null, or outliving the process.
  RewardClient* reward = nullptr;
  absl::Duration budget_check = absl::Seconds(2);  // Between two looks at what is spent.
  // How long replay must have had nothing to train on before a run whose budget is spent ends.
  absl::Duration last_batches = absl::Seconds(5);
};

// Create, then Run once; Stop and Describe from any thread. File system, replay, metrics and log
// outlive it.
class LearnerProcess final : private TrainingHost {
 public:
  // Opens the device, makes the model and, where the directory holds checkpoints of this run, reads
  // the newest whole one. FAILED_PRECONDITION for a directory of another run, environment, oracle,
  // shaping or network, naming both.
  static absl::StatusOr<std::unique_ptr<LearnerProcess>> Create(LearnerProcessOptions options,
                                                                FileSystem* file_system,
                                                                ReplayClient& replay,
                                                                Metrics& metrics, Log& log);
  ~LearnerProcess() override;

  // Where the weights lie: what a publisher needs to know.
  const Parameters& parameters() const { return *model_.parameters; }

  // Takes the next generation, publishes, and trains until max_steps are done or it is stopped,
  // or the budget of oracle calls is spent and all that it bought is trained on, then evaluates,
  // writes checkpoint and summary. Blocks. Returns at once where the directory's
  // run is finished. `fenced` says when a newer learner has published (FAILED_PRECONDITION): then
  // nothing more is written, and that is the error. Other errors as TrainingRun. `serving` is
  // called once the first snapshot is published and Describe tells of this generation.
  absl::StatusOr<RunSummary> Run(WeightSink& weights, std::function<absl::Status()> fenced,
                                 const std::function<void()>& serving = nullptr);

  // The step that is being made is the last; a wait for samples ends.
  void Stop();

  // Totals, waits, policy and training, as of the last step. Never waits for the training.
  void Describe(v1::GetStatusResponse& response) const;

 private:
  LearnerProcess(LearnerProcessOptions options, FileSystem* file_system, ReplayClient& replay,
                 Metrics& metrics, Log& log);

  absl::Status Open();
  absl::Status TakeGeneration();
  absl::Status MakeLearner(WeightSink& weights);
  absl::Status MakeTraining();
  absl::Status StartSampling();
  void WatchBudget();
  absl::StatusOr<RunSummary> Train();
  // A step; where the budget is watched nothing while there is no batch.
  absl::StatusOr<std::optional<TrainingResult>> Step();
  // Ends the run where the budget is spent and replay has had nothing for long; `waited` is since
  // it was asked last.
  void EndIfSpent(absl::Duration waited);
  // What the run left when it was finished, if it was.
  std::optional<RunSummary> FinishedBefore() const;
  // Looks from time to time whether it is fenced, and stops if so.
  void WatchFence();
  bool Stopping() const;
  // True at once when stopped; false after so long.
  bool WaitForStop(absl::Duration timeout);
  v1::Handshake MakeHandshake() const;

  // What the training asks of its host.
  void AddToMetrics(nlohmann::ordered_json& line) override;
  absl::Status AddToCheckpoint(v1::CheckpointManifest& manifest,
                               std::map<std::string, std::string>& files) override;
  absl::Status MayWrite() override;
  void OnStep(const TrainingResult& result) override;
  void OnEvaluation(const RunEvaluation& evaluation, bool last) override;
  void Note(absl::string_view message) override;
  void UpdateStatus();

  const LearnerProcessOptions options_;
  const v1::RunConfig& config_;
  FileSystem* const file_system_;
  ReplayClient& replay_;
  Log& log_;
  LearnerMetrics metrics_;
  PatientReplay patient_replay_;
  std::optional<Checkpoint> resumed_;
  uint64_t generation_ = 0;
  Model model_;
  std::function<absl::Status()> fenced_;
  std::unique_ptr<ModeCounter> modes_;
  std::unique_ptr<PriorityUpdater> priorities_;  // Null where no table's priorities are losses.
  std::unique_ptr<TrainingLedger> ledger_;       // Null without --ledger.
  std::unique_ptr<Learner> learner_;
  std::unique_ptr<RunEvaluator> evaluator_;
  std::unique_ptr<TrainingRun> training_;
  std::unique_ptr<BudgetWatch> budget_;  // Null where nothing is limited. Written under mu_.
  absl::Duration starved_;               // Since the budget is spent and replay has nothing.
  int64_t acknowledged_ = 0;             // Trajectories, as replay said last.

  mutable absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool training_ended_ ABSL_GUARDED_BY(mu_) = false;
  SampleStream* samples_ ABSL_GUARDED_BY(mu_) = nullptr;  // The learner's, while it has one.
  v1::GetStatusResponse status_ ABSL_GUARDED_BY(mu_);
  std::deque<std::string> notes_ ABSL_GUARDED_BY(mu_);
  uint64_t first_note_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_LEARNER_PROCESS_H_
