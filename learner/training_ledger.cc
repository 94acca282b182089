#include "learner/training_ledger.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace anabranch {

absl::StatusOr<std::unique_ptr<TrainingLedger>> TrainingLedger::Open(const std::string& path) {
  auto ledger = absl::WrapUnique(new TrainingLedger(path));
  if (!ledger->lines_) {
    return absl::UnavailableError(
        absl::StrCat("--ledger: can't open ", path, " for appending; its directory must exist"));
  }
  return ledger;
}

TrainingLedger::TrainingLedger(std::string path)
    : path_(std::move(path)), lines_(path_, std::ios::app) {}

absl::Status TrainingLedger::Append(uint64_t generation, int64_t step, bool applied,
                                    const v1::SampledBatch& batch) {
  const v1::TrajectoryBatch& columns = batch.batch();
  std::string line = absl::StrFormat(
      R"({"trained": {"generation": %d, "step": %d, "lease": "%016x", "applied": %s, "ids": [)",
      generation, step, batch.lease_id(), applied ? "true" : "false");
  for (int i = 0; i < columns.trajectory_numbers_size(); ++i) {
    const uint32_t source = columns.source_index_size() > i ? columns.source_index(i) : 0;
    const bool known = source > 0 && static_cast<int>(source) <= columns.sources_size();
    absl::StrAppendFormat(&line, R"(%s["%016x", %d])", i == 0 ? "" : ", ",
                          known ? columns.sources(source - 1).client_incarnation() : 0,
                          columns.trajectory_numbers(i));
  }
  lines_ << line << "]}}\n" << std::flush;
  if (lines_) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("can't append to the ledger ", path_));
}

}  // namespace anabranch
