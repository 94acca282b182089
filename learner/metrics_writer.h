// What a run leaves for plots and scripts: metrics.jsonl and summary.json.
#ifndef ANABRANCH_LEARNER_METRICS_WRITER_H_
#define ANABRANCH_LEARNER_METRICS_WRITER_H_

#include <cstdint>
#include <fstream>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "runtime/file_system.h"

namespace anabranch {

// Numbers that are not finite are written as null: JSON has no others. Not thread-safe.
class MetricsWriter {
 public:
  // Opens `directory`/metrics.jsonl for appending. Lines about steps after `last_step` are dropped
  // first: a run that resumes from there writes them again. A line that isn't whole (a crash cut
  // it) is dropped too.
  static absl::StatusOr<std::unique_ptr<MetricsWriter>> Open(FileSystem* file_system,
                                                             const std::string& directory,
                                                             int64_t last_step);

  // One line, with the file's reader in mind flushed at once.
  absl::Status Append(const nlohmann::ordered_json& line);
  // Replaces summary.json as a whole.
  absl::Status WriteSummary(const nlohmann::ordered_json& summary);

  // The newest line that was kept by Open; an empty object if none.
  const nlohmann::ordered_json& last_kept() const { return last_kept_; }

 private:
  MetricsWriter(FileSystem* file_system, std::string directory);

  FileSystem* const file_system_;
  const std::string directory_;
  nlohmann::ordered_json last_kept_ = nlohmann::ordered_json::object();
  std::ofstream lines_;
};

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_METRICS_WRITER_H_
