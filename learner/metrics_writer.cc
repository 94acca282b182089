#include "learner/metrics_writer.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "learner/run_directory.h"

namespace anabranch {

using Json = nlohmann::ordered_json;

MetricsWriter::MetricsWriter(FileSystem* file_system, std::string directory)
    : file_system_(file_system), directory_(std::move(directory)) {}

absl::StatusOr<std::unique_ptr<MetricsWriter>> MetricsWriter::Open(FileSystem* file_system,
                                                                   const std::string& directory,
                                                                   int64_t last_step) {
  auto writer = absl::WrapUnique(new MetricsWriter(file_system, directory));
  const std::string path = JoinPath(directory, kMetricsFile);
  auto exists = file_system->Exists(path);
  if (!exists.ok()) return exists.status();
  if (*exists) {
    auto content = file_system->Read(path);
    if (!content.ok()) return content.status();
    std::string kept;
    for (const absl::string_view line : absl::StrSplit(*content, '\n', absl::SkipEmpty())) {
      const Json object =
          Json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
      if (!object.is_object() || !object.contains("step") || !object["step"].is_number_integer() ||
          object["step"].get<int64_t>() > last_step) {
        continue;
      }
      absl::StrAppend(&kept, line, "\n");
      writer->last_kept_ = object;
    }
    if (kept != *content) {
      const std::string rewritten = path + ".new";
      absl::Status status = file_system->WriteAndSync(rewritten, kept);
      if (status.ok()) status = file_system->Rename(rewritten, path);
      if (!status.ok()) return status;
    }
  }
  writer->lines_.open(path, std::ios::app);
  if (!writer->lines_) {
    return absl::UnavailableError(absl::StrCat("can't open ", path, " for appending"));
  }
  return writer;
}

absl::Status MetricsWriter::Append(const Json& line) {
  lines_ << line.dump() << '\n';
  lines_.flush();
  if (lines_) return absl::OkStatus();
  lines_.clear();  // The next line may find room again.
  return absl::ResourceExhaustedError(
      absl::StrCat("can't append to ", JoinPath(directory_, kMetricsFile)));
}

absl::Status MetricsWriter::WriteSummary(const Json& summary) {
  const std::string path = JoinPath(directory_, kSummaryFile);
  const std::string rewritten = path + ".new";
  absl::Status status = file_system_->WriteAndSync(rewritten, summary.dump(2) + "\n");
  if (status.ok()) status = file_system_->Rename(rewritten, path);
  return status;
}

}  // namespace anabranch
