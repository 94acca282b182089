// What every enumerable environment must keep to, checked on every state.
#ifndef ANABRANCH_TESTS_GFLOWNET_ENVIRONMENT_ENVIRONMENT_CONTRACT_H_
#define ANABRANCH_TESTS_GFLOWNET_ENVIRONMENT_ENVIRONMENT_CONTRACT_H_

#include <span>
#include <string>

#include "absl/status/status.h"
#include "gflownet/environment/environment.h"

namespace anabranch {

// OK, or FAILED_PRECONDITION naming the state and the first rule that is broken:
//  - state numbers are a bijection and a topological order, and state 0 is the source;
//  - distinct legal actions have distinct children, and stop keeps the state;
//  - every forward edge is undone by exactly one backward action, which ForwardActions maps back;
//  - the backward mask has one bit for each distinct parent, no more (parents counted from the
//    forward edges of all states);
//  - every state is reachable and has a legal action;
//  - the longest path is max_trajectory_length;
//  - objects of terminal states are distinct, read back as the same state, and keys are distinct;
//  - each of `malformed`, which are no objects, is refused with INVALID_ARGUMENT naming its index;
//  - observations of every kind have the declared shape, and some kind tells all states apart;
//  - masks and observations are those of the state, whichever way led to it and whatever rows stand
//    beside it, and are appended after the rows that were there;
//  - Keep keeps the right rows, and Clone is independent of its origin.
// Steps go in batches in which neighbours take different actions.
absl::Status CheckEnvironmentContract(const Environment& environment,
                                      std::span<const std::string> malformed = {});

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_GFLOWNET_ENVIRONMENT_ENVIRONMENT_CONTRACT_H_
