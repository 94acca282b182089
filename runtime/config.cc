#include "runtime/config.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "runtime/config_names.h"
#include "runtime/config_reader.h"
#include "runtime/config_validation.h"

namespace anabranch {
namespace {

constexpr absl::string_view kVariablePrefix = "ANABRANCH_";

// ANABRANCH_LEARNER__MAX_STEPS → learner.max_steps.
std::string KeyOfVariable(absl::string_view variable) {
  absl::ConsumePrefix(&variable, kVariablePrefix);
  return absl::StrReplaceAll(absl::AsciiStrToLower(variable), {{"__", "."}});
}

// A variable that is one of ours, or meant to be. Others share the prefix: Kubernetes, for one,
// gives every container ANABRANCH_REPLAY_PORT for a service called anabranch-replay.
bool IsMeantForUs(absl::string_view variable, const std::string& key) {
  if (!absl::StartsWith(variable, kVariablePrefix)) return false;
  if (absl::StrContains(key, '.')) return true;
  return !NearestName(key, FieldNames(*v1::RunConfig::descriptor())).empty();
}

absl::Status ApplyEnvironment(const std::map<std::string, std::string>& environment,
                              v1::RunConfig& config, ConfigPlaces& places) {
  for (const auto& [variable, value] : environment) {
    const std::string key = KeyOfVariable(variable);
    if (!IsMeantForUs(variable, key)) continue;
    absl::Status status = SetByPath(key, value, variable, config, places);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ApplyFlags(const std::vector<std::string>& flags, v1::RunConfig& config,
                        ConfigPlaces& places) {
  for (const std::string& flag : flags) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(flag, absl::MaxSplits('=', 1));
    const std::string place = absl::StrCat("--set ", parts.first);
    if (!absl::StrContains(flag, '=') || parts.first.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--set ", flag, ": expected key=value, such as learner.max_steps=1000"));
    }
    absl::Status status = SetByPath(parts.first, parts.second, place, config, places);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::RunConfig> LoadRunConfig(const FileSystem& file_system, const std::string& path,
                                            const ConfigOverrides& overrides) {
  absl::StatusOr<std::string> yaml = file_system.Read(path);
  if (!yaml.ok()) return yaml.status();
  return ParseRunConfig(*yaml, path, overrides);
}

absl::StatusOr<v1::RunConfig> ParseRunConfig(absl::string_view yaml, const std::string& name,
                                             const ConfigOverrides& overrides) {
  v1::RunConfig config;
  ConfigPlaces places;
  absl::Status status = ReadYaml(yaml, name, config, places);
  if (status.ok()) status = ApplyEnvironment(overrides.environment, config, places);
  if (status.ok()) status = ApplyFlags(overrides.flags, config, places);
  if (!status.ok()) return status;
  FillDefaults(config);
  status = ValidateRunConfigAt(config, places, name);
  if (!status.ok()) return status;
  return config;
}

std::map<std::string, std::string> AnabranchVariables(const char* const* environment) {
  std::map<std::string, std::string> variables;
  for (; *environment != nullptr; ++environment) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(*environment, absl::MaxSplits('=', 1));
    if (absl::StartsWith(parts.first, kVariablePrefix)) variables.insert(parts);
  }
  return variables;
}

}  // namespace anabranch
