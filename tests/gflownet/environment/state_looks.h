// Everything that an environment shows of a state, as bytes that can be compared.
#ifndef ANABRANCH_TESTS_GFLOWNET_ENVIRONMENT_STATE_LOOKS_H_
#define ANABRANCH_TESTS_GFLOWNET_ENVIRONMENT_STATE_LOOKS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gflownet/environment/environment.h"

namespace anabranch {

struct StateLooks {
  std::vector<std::string> masks;                      // [n] the forward, then the backward mask.
  std::vector<std::vector<std::string>> observations;  // [kinds][n]
};

// FAILED_PRECONDITION where a mask or an observation has not the declared shape.
absl::StatusOr<StateLooks> LookAt(const Environment& environment, const StateBatch& states);
// The same for two batches whose rows are appended to the same columns.
absl::StatusOr<StateLooks> LookAt(const Environment& environment, const StateBatch& first,
                                  const StateBatch& second);

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_GFLOWNET_ENVIRONMENT_STATE_LOOKS_H_
