// From configuration to environment and oracle: the registry of both. Links no LibTorch.
#ifndef ANABRANCH_RUNTIME_COMPONENTS_ENVIRONMENT_COMPONENTS_H_
#define ANABRANCH_RUNTIME_COMPONENTS_ENVIRONMENT_COMPONENTS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "anabranch/v1/config.pb.h"
#include "gflownet/environment/environment.h"
#include "gflownet/environment/reward_function.h"

namespace anabranch {

// Every function here takes a configuration with its defaults filled in. A new environment or
// oracle is one line in the tables at the end of the source.

// INVALID_ARGUMENT as the environment's own Validate, UNIMPLEMENTED for a kind without an entry.
absl::StatusOr<std::unique_ptr<Environment>> MakeEnvironment(const v1::EnvironmentConfig& config);

// The oracle that computes in this process. It may depend on the environment's configuration (a
// grid's side), therefore the whole run's.
absl::StatusOr<std::unique_ptr<RewardFunction>> MakeRewardFunction(const v1::RunConfig& config);

// All words of `word_length` letters, in the alphabet's order: "00", "01", "10", "11".
std::vector<std::string> AllWords(const std::string& alphabet, int64_t word_length);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_COMPONENTS_ENVIRONMENT_COMPONENTS_H_
