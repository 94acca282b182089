// YAML into a protobuf message, by reflection: typed, with places in every error.
#ifndef ANABRANCH_RUNTIME_CONFIG_READER_H_
#define ANABRANCH_RUNTIME_CONFIG_READER_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace anabranch {

// Where each value that was given stands: key path ("replay.tables.0.name") to a place as messages
// begin with ("run.yaml:12:5", "--set replay.tables", "ANABRANCH_SEED").
using ConfigPlaces = std::map<std::string, std::string>;

// The place of the value at `path`, or of the nearest thing around it that was given; empty if
// nothing was.
std::string PlaceOf(const ConfigPlaces& places, absl::string_view path);

// Reads one YAML document, a mapping, over what `message` holds. `name` stands for the file.
absl::Status ReadYaml(absl::string_view yaml, const std::string& name,
                      google::protobuf::Message& message, ConfigPlaces& places);

// Sets the one value at `path` ("learner.max_steps", "replay.tables.0.name") from YAML text. A
// message or a list is replaced whole. Refuses a key of one alternative
// (environment.hypergrid.side) while another (environment.sequence) is set: naming the alternative
// itself switches.
absl::Status SetByPath(absl::string_view path, absl::string_view yaml, const std::string& place,
                       google::protobuf::Message& message, ConfigPlaces& places);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_CONFIG_READER_H_
