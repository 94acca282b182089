#include "actor/ledger.h"

#include <cerrno>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace anabranch {

absl::StatusOr<std::unique_ptr<Ledger>> Ledger::Open(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "ae");
  if (file == nullptr) {
    return absl::ErrnoToStatus(errno, absl::StrCat("--ledger ", path, " can't be opened"));
  }
  return absl::WrapUnique(new Ledger(path, file));
}

Ledger::~Ledger() { std::fclose(file_); }

absl::Status Ledger::Acknowledged(const v1::InsertBatch& batch) {
  const v1::TrajectoryBatch& columns = batch.batch();
  const uint64_t incarnation =
      columns.sources().empty() ? 0 : columns.sources(0).client_incarnation();
  const uint64_t first = columns.trajectory_numbers().empty() ? 0 : columns.trajectory_numbers(0);
  const std::string line = absl::StrCat(
      "{\"acknowledged\":{\"incarnation\":\"", absl::Hex(incarnation, absl::kZeroPad16),
      "\",\"sequence\":", batch.sequence(), ",\"first\":", first, ",\"numbers\":[",
      absl::StrJoin(columns.trajectory_numbers(), ","), "]}}\n");
  if (std::fwrite(line.data(), 1, line.size(), file_) != line.size() || std::fflush(file_) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("--ledger ", path_, " can't be written"));
  }
  return absl::OkStatus();
}

}  // namespace anabranch
