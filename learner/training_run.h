// Training from the first step to the summary: steps, evaluations, checkpoints, metrics. Whether
// the other roles share its process or are sockets away is its host's affair.
#ifndef ANABRANCH_LEARNER_TRAINING_RUN_H_
#define ANABRANCH_LEARNER_TRAINING_RUN_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "anabranch/v1/config.pb.h"
#include "anabranch/v1/status.pb.h"
#include "learner/learner.h"
#include "learner/metrics_writer.h"
#include "learner/run_evaluation.h"
#include "learner/training_clock.h"
#include "nlohmann/json.hpp"
#include "runtime/file_system.h"

namespace anabranch {

struct TrainingRunOptions {
  v1::RunConfig config;   // Defaults filled in, validated.
  std::string directory;  // Exists; checkpoints and metrics go below it.
  RunIdentity identity;
  bool deterministic = false;  // As the summary has it.
  // The checkpoint that the learner was restored from, where it is one of `directory`; else empty.
  std::string resumed_path;
  // Asked with the steps done so far; true ends the run in order, with a checkpoint.
  std::function<bool(int64_t step)> stop_requested;
};

struct RunSummary {
  nlohmann::ordered_json metrics;  // What summary.json says.
  std::string checkpoint;          // Path of the last one; empty where none could be written.
  bool finished = false;           // False when stopped before max_steps.
  std::string end_reason;          // Why it is finished before max_steps; else empty.
};

// Whether `summary`, of a run whose newest checkpoint is at `step`, says that there is nothing more
// to do under `config`: max_steps are done, or it ended by a budget that has not been raised since.
bool IsFinished(const nlohmann::ordered_json& summary, uint64_t step, const v1::RunConfig& config);

// What only the owner of a run knows. Called from the thread that trains.
class TrainingHost {
 public:
  virtual ~TrainingHost() = default;
  // Fields that stand before those of the learner in a line of metrics: at least "trajectories" and
  // "transitions" that actors have made since the run began.
  virtual void AddToMetrics(nlohmann::ordered_json& line) = 0;
  // What a checkpoint keeps beside the learner's own.
  virtual absl::Status AddToCheckpoint(v1::CheckpointManifest& manifest,
                                       std::map<std::string, std::string>& files) = 0;
  // Asked before anything is written: an error ends the run, and nothing more is written.
  virtual absl::Status MayWrite() { return absl::OkStatus(); }
  virtual void OnStep(const TrainingResult& result) = 0;
  virtual void OnEvaluation(const RunEvaluation& evaluation, bool last) = 0;
  // A line for people that stays, such as a warning.
  virtual void Note(absl::string_view message) = 0;
};

// One thread uses it at a time, step() apart. Learner, model, evaluator, host and file system
// outlive it.
class TrainingRun {
 public:
  // One step, or nothing where none could be made yet and it is worth asking again.
  using NextStep = std::function<absl::StatusOr<std::optional<TrainingResult>>()>;

  // For a learner that is restored already. Opens metrics.jsonl; errors are the file system's.
  static absl::StatusOr<std::unique_ptr<TrainingRun>> Create(TrainingRunOptions options,
                                                             Learner& learner, Model& model,
                                                             RunEvaluator& evaluator,
                                                             FileSystem* file_system,
                                                             TrainingHost* host);

  // Steps until the run is over, with evaluations and checkpoints between them; one that can't be
  // made is noted, and training goes on. Exceptions end here. A step that is CANCELLED once a stop
  // is requested ends the run in order.
  absl::Status Train(const NextStep& next);

  // The last evaluation, checkpoint and summary, as far as the host lets it write; `trained` is
  // what Train returned. Its error is returned before those of the last checkpoint and of the
  // summary.
  absl::StatusOr<RunSummary> Finish(const absl::Status& trained);

  // No step more: the run is finished before max_steps, for a reason that people read. From the
  // thread that trains.
  void EndEarly(std::string reason) { end_reason_ = std::move(reason); }

  // Whether max_steps are done, it ended early, or a stop is requested.
  bool IsOver() const;
  // Steps done since the run began. From any thread.
  int64_t step() const { return step_; }
  // How far it is, without notes.
  v1::TrainingStatus Status() const;

 private:
  TrainingRun(TrainingRunOptions options, Learner& learner, Model& model, RunEvaluator& evaluator,
              FileSystem* file_system, TrainingHost* host);

  int64_t max_steps() const { return static_cast<int64_t>(options_.config.learner().max_steps()); }
  absl::Status AfterStep(const TrainingResult& result);
  absl::Status Evaluate(bool last);
  nlohmann::ordered_json MetricsLine() const;
  double LogZ() const;
  double MeanLoss() const;
  absl::Status SaveCheckpoint();
  absl::StatusOr<RunSummary> WriteSummary();

  const TrainingRunOptions options_;
  Learner& learner_;
  Model& model_;
  RunEvaluator& evaluator_;
  TrainingHost* const host_;
  CheckpointStore checkpoints_;
  std::unique_ptr<MetricsWriter> metrics_;

  std::atomic<int64_t> step_;
  const int64_t first_step_;
  TrainingClock clock_;
  double seconds_before_ = 0;  // Training time before this process, as metrics.jsonl tells it.
  std::string end_reason_;
  TrainingResult last_result_;
  double loss_sum_ = 0;  // Since the last evaluation.
  int64_t losses_ = 0;
  std::optional<RunEvaluation> evaluation_;  // The last one,
  nlohmann::ordered_json last_line_;         // and its line of metrics.
  int64_t checkpoint_step_ = -1;
  std::string checkpoint_path_;
};

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_TRAINING_RUN_H_
