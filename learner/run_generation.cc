#include "learner/run_generation.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "learner/run_directory.h"
#include "nlohmann/json.hpp"
#include "runtime/error_reason.h"

namespace anabranch {

absl::StatusOr<RunGeneration> ReadRunGeneration(const FileSystem& file_system,
                                                const std::string& directory) {
  const std::string path = JoinPath(directory, kGenerationFile);
  auto content = file_system.Read(path);
  if (absl::IsNotFound(content.status())) return RunGeneration();
  if (!content.ok()) return content.status();
  const auto json = nlohmann::json::parse(*content, nullptr, /*allow_exceptions=*/false);
  const bool whole = json.is_object() && json.contains("generation") &&
                     json["generation"].is_number_unsigned() && json.contains("run_id") &&
                     json["run_id"].is_string();
  if (!whole) {
    return absl::DataLossError(absl::StrCat(
        path,
        " is not {\"generation\": N, \"run_id\": \"…\"}; write it so, with a generation that "
        "no learner of the run has had"));
  }
  return RunGeneration{json["run_id"].get<std::string>(), json["generation"].get<uint64_t>()};
}

absl::StatusOr<uint64_t> TakeRunGeneration(FileSystem* file_system, const std::string& directory,
                                           const std::string& run_id, uint64_t at_least) {
  auto last = ReadRunGeneration(*file_system, directory);
  if (!last.ok()) return last.status();
  if (!last->run_id.empty() && last->run_id != run_id) {
    return absl::FailedPreconditionError(
        absl::StrCat(directory, " holds run '", last->run_id, "', and replay serves run '", run_id,
                     "'; give another --out, or start replay with the run's state"));
  }
  const uint64_t generation = std::max(last->generation + 1, at_least);
  const nlohmann::ordered_json json = {{"generation", generation}, {"run_id", run_id}};
  const std::string path = JoinPath(directory, kGenerationFile);
  const std::string rewritten = path + ".new";
  absl::Status status = file_system->WriteAndSync(rewritten, json.dump() + "\n");
  if (status.ok()) status = file_system->Rename(rewritten, path);
  if (status.ok()) status = file_system->SyncDirectory(directory);
  if (!status.ok()) return status;
  return generation;
}

absl::Status CheckRunGeneration(const FileSystem& file_system, const std::string& directory,
                                uint64_t generation) {
  auto newest = ReadRunGeneration(file_system, directory);
  if (!newest.ok() || newest->generation <= generation) return absl::OkStatus();
  return WithReason(absl::FailedPreconditionError(absl::StrCat(
                        "a learner of generation ", newest->generation, " has taken over ",
                        directory, "; this one, of generation ", generation, ", ends")),
                    kReasonStaleGeneration);
}

}  // namespace anabranch
