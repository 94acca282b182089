#include "actor/ledger.h"

#include <cerrno>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

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
  std::map<uint64_t, std::vector<uint64_t>> numbers;  // By incarnation.
  for (int i = 0; i < columns.trajectory_numbers_size(); ++i) {
    const uint32_t source = i < columns.source_index_size() ? columns.source_index(i) : 0;
    const uint64_t incarnation =
        source == 0 ? 0 : columns.sources(static_cast<int>(source) - 1).client_incarnation();
    numbers[incarnation].push_back(columns.trajectory_numbers(i));
  }
  std::string lines;
  for (const auto& [incarnation, own] : numbers) {
    absl::StrAppend(&lines, "{\"acknowledged\":{\"incarnation\":\"",
                    absl::Hex(incarnation, absl::kZeroPad16), "\",\"sequence\":", batch.sequence(),
                    ",\"first\":", own[0], ",\"numbers\":[", absl::StrJoin(own, ","), "]}}\n");
  }
  if (std::fwrite(lines.data(), 1, lines.size(), file_) != lines.size() ||
      std::fflush(file_) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("--ledger ", path_, " can't be written"));
  }
  return absl::OkStatus();
}

}  // namespace anabranch
