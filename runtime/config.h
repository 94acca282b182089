// The configuration of a run: one YAML file, typed by proto/anabranch/v1/config.proto.
//
// A value comes from the first of these that gives it: a flag (`--set learner.max_steps=100`), the
// environment (ANABRANCH_LEARNER__MAX_STEPS=100, where two underscores separate levels), the file,
// the default. All errors are INVALID_ARGUMENT (a missing file is NOT_FOUND) and begin with where
// the value stands: FILE:LINE:COLUMN, the flag, or the variable.
#ifndef ANABRANCH_RUNTIME_CONFIG_H_
#define ANABRANCH_RUNTIME_CONFIG_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "anabranch/v1/config.pb.h"
#include "runtime/file_system.h"

namespace anabranch {

// What goes over the file.
struct ConfigOverrides {
  // "key=value" as given to --set, in order; a later one wins. The value is YAML, so that
  // `replay.tables=[{name: all, selector: uniform}]` works too; `replay.tables.0.max_items=5`
  // reaches into a list.
  std::vector<std::string> flags;
  // Environment variables by name. Those that don't begin with ANABRANCH_ are ignored, and so are
  // those with neither `__` nor a name like a key's: orchestrators set such on their own.
  std::map<std::string, std::string> environment;
};

// The file with everything applied: overrides, defaults, checks. Every scalar that matters is set,
// so that readers need not ask whether it is.
absl::StatusOr<v1::RunConfig> LoadRunConfig(const FileSystem& file_system, const std::string& path,
                                            const ConfigOverrides& overrides = {});

// The same for text that was read already; `name` stands for the file in messages.
absl::StatusOr<v1::RunConfig> ParseRunConfig(absl::string_view yaml, const std::string& name,
                                             const ConfigOverrides& overrides = {});

// Sets all that is unset and has a default. Fills in the environment's own reward.
void FillDefaults(v1::RunConfig& config);

// Whether the values make sense, alone and together; call it on a configuration with defaults. Each
// line of the message names a key, its value and the remedy.
absl::Status ValidateRunConfig(const v1::RunConfig& config);

// YAML with every value that is set; it loads to the same message.
std::string PrintRunConfig(const v1::RunConfig& config);

// The ANABRANCH_* variables among `environment`, a null-terminated array of "NAME=value" as main's
// `environ` is.
std::map<std::string, std::string> AnabranchVariables(const char* const* environment);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_CONFIG_H_
