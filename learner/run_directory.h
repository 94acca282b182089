// The directory of a run, `--out DIR`, and what a reader finds there.
#ifndef ANABRANCH_LEARNER_RUN_DIRECTORY_H_
#define ANABRANCH_LEARNER_RUN_DIRECTORY_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "learner/checkpoint.h"
#include "runtime/file_system.h"

namespace anabranch {

// Names below DIR.
inline constexpr char kConfigFile[] = "config.yaml";
inline constexpr char kMetricsFile[] = "metrics.jsonl";
inline constexpr char kSummaryFile[] = "summary.json";
inline constexpr char kGenerationFile[] = "generation";  // Of a cluster's learner.
inline constexpr char kCheckpointsDirectory[] = "checkpoints";

// Names within a checkpoint.
inline constexpr char kModelFile[] = "model.safetensors";  // What the policy is.
inline constexpr char kOptimizerFile[] =
    "optimizer.safetensors";                         // Moments, "first." and "second.".
inline constexpr char kReplayFile[] = "replay.bin";  // A serialised v1::ReplayState.

struct OpenedRun {
  Checkpoint checkpoint;
  std::vector<std::string> warnings;  // Damaged checkpoints that were passed over.
};

// What `anabranch evaluate` and `objects` begin with. `path` is a run's DIR, its checkpoints
// directory (both: the newest whole checkpoint), or one checkpoint (that one or none). The manifest
// holds the whole configuration; LoadTrainedModel makes the policy, and kReplayFile has the
// objects. NOT_FOUND where there is no checkpoint; otherwise as ReadCheckpoint.
absl::StatusOr<OpenedRun> OpenRun(const FileSystem& file_system, const std::string& path);

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_RUN_DIRECTORY_H_
