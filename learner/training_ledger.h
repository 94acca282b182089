// What was trained on, by id, for whoever audits that nothing is lost or counted twice.
#ifndef ANABRANCH_LEARNER_TRAINING_LEDGER_H_
#define ANABRANCH_LEARNER_TRAINING_LEDGER_H_

#include <cstdint>
#include <fstream>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "anabranch/v1/replay.pb.h"

namespace anabranch {

// Appends to a file, one JSON object a line:
//   {"trained": {"generation": 1, "step": 7, "lease": "hex16", "applied": true,
//                "ids": [["client incarnation, hex16", trajectory number], …]}}
// All trajectories of the batch are listed, also those that were left out; a batch that changed
// nothing has applied false. Not thread-safe.
class TrainingLedger {
 public:
  // UNAVAILABLE names a file that can't be opened.
  static absl::StatusOr<std::unique_ptr<TrainingLedger>> Open(const std::string& path);

  // Flushed when it returns. RESOURCE_EXHAUSTED names the file where that failed.
  absl::Status Append(uint64_t generation, int64_t step, bool applied,
                      const v1::SampledBatch& batch);

 private:
  explicit TrainingLedger(std::string path);

  const std::string path_;
  std::ofstream lines_;
};

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_TRAINING_LEDGER_H_
