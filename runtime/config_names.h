// Names in configurations: short enum names, and the name that someone probably meant.
#ifndef ANABRANCH_RUNTIME_CONFIG_NAMES_H_
#define ANABRANCH_RUNTIME_CONFIG_NAMES_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"

namespace anabranch {

// REPLAY_SELECTOR_FIFO → "fifo": without the enum's prefix, in lower case.
std::string ShortEnumName(const google::protobuf::EnumValueDescriptor& value);
// The short names that a file may use, in order of declaration: all but UNSPECIFIED.
std::vector<std::string> ShortEnumNames(const google::protobuf::EnumDescriptor& type);
// Null if there is no such value.
const google::protobuf::EnumValueDescriptor* FindEnumValue(
    const google::protobuf::EnumDescriptor& type, absl::string_view short_name);

// The names of a message's fields, in order of declaration.
std::vector<std::string> FieldNames(const google::protobuf::Descriptor& message);

// The candidate with the fewest single-letter edits to `name`; empty if none is near enough to be a
// slip of the keyboard.
std::string NearestName(absl::string_view name, const std::vector<std::string>& candidates);

// Paths below `message` of all fields called `name`, such as "environment.hypergrid.side" for
// "side" in RunConfig: for a key at the wrong level. Doesn't look into lists.
std::vector<std::string> PathsOfName(const google::protobuf::Descriptor& message,
                                     absl::string_view name);

// "; did you mean "x"?" for a key that `message`, at `path`, does not have, or the keys that it
// has. `root` is the whole configuration's type.
std::string KeyAdvice(const google::protobuf::Descriptor& message, absl::string_view name,
                      const google::protobuf::Descriptor& root);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_CONFIG_NAMES_H_
