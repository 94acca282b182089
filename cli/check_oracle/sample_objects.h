// Objects to try an oracle on.
#ifndef ANABRANCH_CLI_CHECK_ORACLE_SAMPLE_OBJECTS_H_
#define ANABRANCH_CLI_CHECK_ORACLE_SAMPLE_OBJECTS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace anabranch {

// Objects of a format that many oracles can score, for "smiles", "sequence" and "grid-coordinates";
// empty for other formats. What suits one oracle may be invalid for another, so there are several
// kinds.
std::vector<std::string> SampleObjects(absl::string_view format);

// The lines of a file, each once, without empty ones. NOT_FOUND and INVALID_ARGUMENT name the path.
absl::StatusOr<std::vector<std::string>> ReadObjects(const std::string& path);

}  // namespace anabranch

#endif  // ANABRANCH_CLI_CHECK_ORACLE_SAMPLE_OBJECTS_H_
