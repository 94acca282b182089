#include "learner/checkpoint.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/util/json_util.h"
#include "runtime/sha256.h"

namespace anabranch {
namespace {

constexpr absl::string_view kManifest = "manifest.json";
constexpr absl::string_view kSums = "SHA256SUMS";
constexpr absl::string_view kPrefix = "step-";
constexpr absl::string_view kTemporary = ".unfinished-";
constexpr absl::string_view kDamaged = "damaged-";

std::string StepName(uint64_t step) { return absl::StrFormat("step-%012d", step); }

// Sorted from old to new.
absl::StatusOr<std::vector<std::string>> ListSteps(const FileSystem& file_system,
                                                   const std::string& directory) {
  auto exists = file_system.Exists(directory);
  if (!exists.ok()) return exists.status();
  if (!*exists) return std::vector<std::string>();
  auto names = file_system.List(directory);
  if (!names.ok()) return names.status();
  std::vector<std::pair<uint64_t, std::string>> steps;
  for (const std::string& name : *names) {
    uint64_t step = 0;
    if (absl::StartsWith(name, kPrefix) &&
        absl::SimpleAtoi(absl::string_view(name).substr(kPrefix.size()), &step)) {
      steps.emplace_back(step, name);
    }
  }
  std::sort(steps.begin(), steps.end());
  std::vector<std::string> result;
  for (auto& [step, name] : steps) result.push_back(std::move(name));
  return result;
}

// In the form of sha256sum, manifest last.
std::string Sums(const v1::CheckpointManifest& manifest, absl::string_view manifest_json) {
  std::string sums;
  for (const v1::CheckpointFile& file : manifest.files()) {
    absl::StrAppend(&sums, file.sha256(), "  ", file.name(), "\n");
  }
  absl::StrAppend(&sums, Sha256Hex(manifest_json), "  ", kManifest, "\n");
  return sums;
}

absl::StatusOr<std::string> ToJson(const v1::CheckpointManifest& manifest) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(manifest, &json, options);
  if (!status.ok()) return absl::InternalError(absl::StrCat("manifest: ", status.ToString()));
  return json;
}

absl::Status Damaged(const std::string& path, absl::string_view name, absl::string_view what) {
  return absl::DataLossError(absl::StrCat(JoinPath(path, name), " ", what));
}

absl::StatusOr<std::string> ReadPart(const FileSystem& file_system, const std::string& path,
                                     absl::string_view name) {
  auto content = file_system.Read(JoinPath(path, name));
  if (absl::IsNotFound(content.status())) return Damaged(path, name, "is missing");
  return content;
}

absl::StatusOr<v1::CheckpointManifest> ReadManifest(const FileSystem& file_system,
                                                    const std::string& path) {
  auto json = ReadPart(file_system, path, kManifest);
  if (!json.ok()) return json.status();
  auto sums = ReadPart(file_system, path, kSums);
  if (!sums.ok()) return sums.status();
  v1::CheckpointManifest manifest;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;  // A newer format is refused below, by its number.
  if (!google::protobuf::util::JsonStringToMessage(*json, &manifest, options).ok() ||
      *sums != Sums(manifest, *json)) {
    return Damaged(path, kManifest, "doesn't have the checksum that SHA256SUMS gives");
  }
  if (manifest.format_version() > kCheckpointFormatVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat(JoinPath(path, kManifest), ": format_version is ", manifest.format_version(),
                     ", this build reads ", kCheckpointFormatVersion, "; use a newer build"));
  }
  return manifest;
}

template <typename Messages>
void SortByName(Messages& messages) {
  std::sort(messages.begin(), messages.end(),
            [](const auto& a, const auto& b) { return a.name() < b.name(); });
}

bool IsPlainName(absl::string_view name) {
  return !name.empty() && name != "." && name != ".." && !absl::StrContains(name, '/') &&
         name != kManifest && name != kSums;
}

}  // namespace

void AddCounter(v1::CheckpointManifest& manifest, const std::string& name, int64_t value) {
  v1::Counter* counter = manifest.add_counters();
  counter->set_name(name);
  counter->set_value(static_cast<uint64_t>(value));
}

int64_t FindCounter(const v1::CheckpointManifest& manifest, const std::string& name) {
  for (const v1::Counter& counter : manifest.counters()) {
    if (counter.name() == name) return static_cast<int64_t>(counter.value());
  }
  return 0;
}

absl::Status CheckOwner(const v1::CheckpointManifest& manifest, const std::string& path,
                        const CheckpointOwner& owner) {
  auto check = [&](absl::string_view what, const std::string& theirs, const std::string& ours) {
    if (ours.empty() || theirs == ours) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat("checkpoint ", path, " belongs to ", what,
                                                      " '", theirs, "', this run has ", what, " '",
                                                      ours, "'"));
  };
  absl::Status status =
      check("environment", manifest.environment_fingerprint(), owner.environment_fingerprint);
  if (!status.ok()) return status;
  status = check("run", manifest.run_id(), owner.run_id);
  // Raw values of two oracles don't mix in one replay, nor do log-rewards of two shapings.
  if (status.ok())
    status = check("oracle", manifest.reward_fingerprint(), owner.reward_fingerprint);
  if (!status.ok()) return status;
  return check("reward_shaping", manifest.reward_shaping_hash(), owner.reward_shaping_hash);
}

absl::StatusOr<Checkpoint> ReadCheckpoint(const FileSystem& file_system, const std::string& path) {
  auto exists = file_system.IsDirectory(path);
  if (!exists.ok()) return exists.status();
  if (!*exists) return absl::NotFoundError(absl::StrCat("there is no directory ", path));
  auto manifest = ReadManifest(file_system, path);
  if (!manifest.ok()) return manifest.status();
  Checkpoint checkpoint{path, *std::move(manifest), {}};
  for (const v1::CheckpointFile& file : checkpoint.manifest.files()) {
    if (!IsPlainName(file.name())) return Damaged(path, file.name(), "is no name of a file");
    auto content = ReadPart(file_system, path, file.name());
    if (!content.ok()) return content.status();
    if (content->size() != file.size_bytes()) {
      return Damaged(
          path, file.name(),
          absl::StrCat("has ", content->size(), " bytes instead of ", file.size_bytes()));
    }
    if (Sha256Hex(*content) != file.sha256()) {
      return Damaged(path, file.name(), "doesn't have the checksum that its manifest gives");
    }
    checkpoint.files[file.name()] = *std::move(content);
  }
  return checkpoint;
}

absl::StatusOr<FoundCheckpoint> FindLatestCheckpoint(const FileSystem& file_system,
                                                     const std::string& directory,
                                                     const CheckpointOwner& owner) {
  auto names = ListSteps(file_system, directory);
  if (!names.ok()) return names.status();
  FoundCheckpoint found;
  for (auto name = names->rbegin(); name != names->rend(); ++name) {
    const std::string path = JoinPath(directory, *name);
    auto checkpoint = ReadCheckpoint(file_system, path);
    if (absl::IsFailedPrecondition(checkpoint.status())) return checkpoint.status();
    if (!checkpoint.ok()) {
      found.warnings.push_back(
          absl::StrCat("passed over checkpoint ", path, ": ", checkpoint.status().message()));
      continue;
    }
    if (absl::Status status = CheckOwner(checkpoint->manifest, path, owner); !status.ok()) {
      return status;
    }
    found.checkpoint = *std::move(checkpoint);
    break;
  }
  return found;
}

CheckpointStore::CheckpointStore(FileSystem* file_system, std::string directory, int64_t keep)
    : file_system_(file_system),
      directory_(std::move(directory)),
      keep_(std::max<int64_t>(keep, 1)) {}

absl::StatusOr<CheckpointStore::Saved> CheckpointStore::Save(
    v1::CheckpointManifest manifest, const std::map<std::string, std::string>& files) {
  manifest.set_format_version(kCheckpointFormatVersion);
  manifest.clear_files();
  SortByName(*manifest.mutable_random_streams());
  SortByName(*manifest.mutable_counters());
  SortByName(*manifest.mutable_gauges());
  for (const auto& [name, content] : files) {
    if (!IsPlainName(name)) {
      return absl::InvalidArgumentError(absl::StrCat("'", name, "' is no name for a file"));
    }
    v1::CheckpointFile* file = manifest.add_files();
    file->set_name(name);
    file->set_sha256(Sha256Hex(content));
    file->set_size_bytes(content.size());
  }
  auto json = ToJson(manifest);
  if (!json.ok()) return json.status();
  std::map<std::string, std::string> all = files;
  all[std::string(kManifest)] = *json;
  all[std::string(kSums)] = Sums(manifest, *json);

  const std::string name = StepName(manifest.step());
  const std::string temporary = JoinPath(directory_, absl::StrCat(kTemporary, name));
  Saved saved{JoinPath(directory_, name), {}};
  absl::Status status = WriteAll(temporary, all);
  if (status.ok()) status = MakeWay(saved.path);
  if (status.ok()) status = file_system_->Rename(temporary, saved.path);
  if (status.ok()) status = file_system_->SyncDirectory(directory_);
  if (!status.ok()) {
    RemoveTemporary(temporary).IgnoreError();  // What matters is why it failed.
    return status;
  }
  RemoveOld(saved.warnings);
  return saved;
}

absl::Status CheckpointStore::WriteAll(const std::string& temporary,
                                       const std::map<std::string, std::string>& files) {
  auto exists = file_system_->Exists(directory_);
  if (!exists.ok()) return exists.status();
  absl::Status status = file_system_->MakeDirectories(directory_);
  if (status.ok() && !*exists) status = file_system_->SyncDirectory(ParentPath(directory_));
  if (status.ok()) status = RemoveUnfinished();
  if (status.ok()) status = file_system_->MakeDirectories(temporary);
  // The sums come last: without them nothing counts.
  for (const auto& [name, content] : files) {
    if (status.ok() && name != kSums) {
      status = file_system_->WriteAndSync(JoinPath(temporary, name), content);
    }
  }
  if (status.ok()) {
    status = file_system_->WriteAndSync(JoinPath(temporary, kSums), files.at(std::string(kSums)));
  }
  if (status.ok()) status = file_system_->SyncDirectory(temporary);
  return status;
}

absl::Status CheckpointStore::MakeWay(const std::string& path) {
  auto exists = file_system_->Exists(path);
  if (!exists.ok()) return exists.status();
  if (!*exists) return absl::OkStatus();
  if (ReadCheckpoint(*file_system_, path).ok()) return Remove(path);
  const std::string name = path.substr(ParentPath(path).size() + 1);
  for (int i = 1;; ++i) {
    const std::string aside = JoinPath(
        directory_, i == 1 ? absl::StrCat(kDamaged, name) : absl::StrCat(kDamaged, name, "-", i));
    auto taken = file_system_->Exists(aside);
    if (!taken.ok()) return taken.status();
    if (!*taken) return file_system_->Rename(path, aside);
  }
}

absl::Status CheckpointStore::CheckNothingForeign(const std::string& path,
                                                  const v1::CheckpointManifest& manifest) const {
  auto names = file_system_->List(path);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const bool ours = name == kManifest || name == kSums ||
                      std::any_of(manifest.files().begin(), manifest.files().end(),
                                  [&](const v1::CheckpointFile& f) { return f.name() == name; });
    if (!ours) {
      return absl::FailedPreconditionError(
          absl::StrCat("it holds '", name, "', which no checkpoint wrote; move that elsewhere"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckpointStore::Remove(const std::string& path) {
  auto manifest = ReadManifest(*file_system_, path);
  if (!manifest.ok()) return manifest.status();
  if (absl::Status status = CheckNothingForeign(path, *manifest); !status.ok()) return status;
  const std::string name = path.substr(ParentPath(path).size() + 1);
  const std::string hidden = JoinPath(directory_, absl::StrCat(kTemporary, "removal-of-", name));
  absl::Status status = file_system_->Rename(path, hidden);
  if (!status.ok()) return status;
  for (const v1::CheckpointFile& file : manifest->files()) {
    status.Update(file_system_->RemoveFile(JoinPath(hidden, file.name())));
  }
  for (const absl::string_view own : {kManifest, kSums}) {
    status.Update(file_system_->RemoveFile(JoinPath(hidden, own)));
  }
  status.Update(file_system_->RemoveDirectory(hidden));
  return status;
}

absl::Status CheckpointStore::RemoveUnfinished() {
  auto names = file_system_->List(directory_);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (!absl::StartsWith(name, kTemporary)) continue;
    absl::Status status = RemoveTemporary(JoinPath(directory_, name));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CheckpointStore::RemoveTemporary(const std::string& path) {
  auto exists = file_system_->Exists(path);
  if (!exists.ok()) return exists.status();
  if (!*exists) return absl::OkStatus();
  auto names = file_system_->List(path);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    absl::Status status = file_system_->RemoveFile(JoinPath(path, name));
    if (!status.ok()) return status;
  }
  return file_system_->RemoveDirectory(path);
}

void CheckpointStore::RemoveOld(std::vector<std::string>& warnings) {
  auto names = ListSteps(*file_system_, directory_);
  if (!names.ok()) {
    warnings.push_back(absl::StrCat("old checkpoints stay: ", names.status().message()));
    return;
  }
  const int64_t surplus = static_cast<int64_t>(names->size()) - keep_;
  for (int64_t i = 0; i < surplus; ++i) {
    const std::string path = JoinPath(directory_, (*names)[i]);
    absl::Status status = Remove(path);
    if (!status.ok()) {
      warnings.push_back(absl::StrCat("old checkpoint ", path, " stays: ", status.message()));
    }
  }
}

}  // namespace anabranch
