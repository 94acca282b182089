// One YAML scalar into one protobuf field.
#ifndef ANABRANCH_RUNTIME_CONFIG_SCALAR_H_
#define ANABRANCH_RUNTIME_CONFIG_SCALAR_H_

#include <string>

#include "absl/status/status.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "yaml-cpp/yaml.h"

namespace anabranch {

// What a file must give for the field, such as "a number" or "one of fifo, uniform".
std::string ExpectedScalar(const google::protobuf::FieldDescriptor& field);

// What a file gave, such as `"many"` or "a list".
std::string DescribeNode(const YAML::Node& node);

// Sets a singular scalar or enum field. INVALID_ARGUMENT says what was expected and what was found;
// the caller adds the place and the key.
absl::Status SetScalar(const YAML::Node& node, const google::protobuf::FieldDescriptor& field,
                       google::protobuf::Message& message);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_CONFIG_SCALAR_H_
