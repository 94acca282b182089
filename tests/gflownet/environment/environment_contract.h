// What every enumerable environment must keep to, checked on every state.
#ifndef ANABRANCH_TESTS_GFLOWNET_ENVIRONMENT_ENVIRONMENT_CONTRACT_H_
#define ANABRANCH_TESTS_GFLOWNET_ENVIRONMENT_ENVIRONMENT_CONTRACT_H_

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
//  - observations of every kind have the declared shape;
//  - Keep keeps the right rows, and Clone is independent of its origin.
absl::Status CheckEnvironmentContract(const Environment& environment);

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_GFLOWNET_ENVIRONMENT_ENVIRONMENT_CONTRACT_H_
