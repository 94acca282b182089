// The contract between a GFlowNet and the thing it builds.
//
// An environment is a directed acyclic graph of states with one source per prompt. A forward action
// leads to a child, a backward action to a parent, and a *stop* action ends the trajectory: the
// state where it is taken is the terminal state, x. Transitions are deterministic, so a trajectory
// is its actions. Rewards are not the environment's affair.
#ifndef ANABRANCH_GFLOWNET_ENVIRONMENT_ENVIRONMENT_H_
#define ANABRANCH_GFLOWNET_ENVIRONMENT_ENVIRONMENT_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gflownet/environment/action_mask.h"
#include "gflownet/environment/key.h"
#include "gflownet/environment/observation.h"

namespace anabranch {

struct EnvironmentSpec {
  // Stored actions mean something only with the environment that gave them: the name, its semantic
  // version, its configuration, and the sha256 of a vocabulary file where there is one, readable,
  // such as "hypergrid/1.0.0 dimensions=4 side=8". Compared byte by byte.
  std::string fingerprint;
  std::string object_format;  // What canonical objects are, such as "grid-coordinates", "smiles".
  int64_t num_forward_actions = 0;    // Stop included.
  int64_t num_backward_actions = 0;   // Stop has none: P_B of the stop transition is 1.
  int32_t stop_action = 0;            // The id of stop among the forward actions.
  int64_t action_value_width = 0;     // Real numbers that go with each action; 0 = discrete only.
  int64_t max_trajectory_length = 0;  // Actions at most, stop included.
  std::vector<ObservationSpec> observations;  // The kinds that AppendObservations can give.
};

// States of one environment as a struct of arrays. Opaque outside it.
class StateBatch {
 public:
  virtual ~StateBatch() = default;
  virtual int64_t size() const = 0;
};

// All states of an environment that has few enough to count, numbered in a topological order: a
// child's number is greater than each of its parents', the source is 0. Immutable and thread-safe.
class StateSpace {
 public:
  virtual ~StateSpace() = default;
  virtual int64_t num_states() const = 0;
  // The states numbered [begin, end).
  virtual std::unique_ptr<StateBatch> States(int64_t begin, int64_t end) const = 0;
  // out[i] = number of state i of the batch.
  virtual void Indices(const StateBatch& states, std::span<int64_t> out) const = 0;
};

// The actions of one step, one for every state of a batch.
struct ActionColumn {
  std::span<const int32_t> ids;     // [n]
  std::span<const float> values{};  // [n, action_value_width]; empty where the width is 0.
};

// Immutable and thread-safe: all that changes lives in the batches that callers own. The hot
// methods take whole batches, append to columns that callers reuse, and trust that actions are
// legal; whoever takes actions from outside checks them against the mask first (BuildStateRows
// does).
class Environment {
 public:
  virtual ~Environment() = default;
  virtual const EnvironmentSpec& spec() const = 0;

  // n source states. `prompts` is empty, or holds one initial state each for environments that take
  // them. INVALID_ARGUMENT names the index of a prompt that this environment can't begin with.
  virtual absl::StatusOr<std::unique_ptr<StateBatch>> Initial(
      int64_t n, std::span<const std::string> prompts) const;
  virtual std::unique_ptr<StateBatch> Initial(int64_t n) const = 0;
  virtual std::unique_ptr<StateBatch> Clone(const StateBatch& states) const = 0;
  // Keeps the given rows, which are ascending, and forgets the others.
  virtual void Keep(StateBatch& states, std::span<const int32_t> rows) const = 0;

  // One row for each state is appended to `out`.
  virtual void AppendForwardMask(const StateBatch& states, ActionMask& out) const = 0;
  // The number of legal backward actions is the number of distinct parents; none at a source.
  virtual void AppendBackwardMask(const StateBatch& states, ActionMask& out) const = 0;
  virtual void AppendObservations(const StateBatch& states, ObservationBatch& out) const = 0;

  // Every state takes its action. Stop leaves the state as it is (callers drop it with Keep).
  virtual void Step(StateBatch& states, const ActionColumn& actions) const = 0;
  // Every state goes to a parent by its backward action.
  virtual void StepBack(StateBatch& states, std::span<const int32_t> backward_actions) const = 0;
  // For parents and the forward actions taken there: the backward action that, at the child, leads
  // back. kNoAction for stop.
  virtual void BackwardActions(const StateBatch& parents, std::span<const int32_t> forward_actions,
                               std::span<int32_t> out) const = 0;
  // For children and backward actions legal there: the forward action that leads from that parent
  // to the child. The inverse of BackwardActions.
  virtual void ForwardActions(const StateBatch& children, std::span<const int32_t> backward_actions,
                              std::span<int32_t> out) const = 0;

  // Canonical bytes of terminal states, as the oracle and the user see them.
  virtual void AppendObjects(const StateBatch& states, std::vector<std::string>& out) const = 0;
  // A terminal state for each object; where several states are one object, a canonical one.
  // INVALID_ARGUMENT names the index and what is wrong with the object.
  virtual absl::StatusOr<std::unique_ptr<StateBatch>> FromObjects(
      std::span<const std::string> objects) const = 0;
  // Keys of terminal states. By default a state is its object.
  virtual void AppendStateKeys(const StateBatch& states, std::vector<StateKey>& out) const;

  // Null where the states are too many to count.
  virtual const StateSpace* state_space() const { return nullptr; }
  // log R̃(s) of unfinished states, where the environment defines one (forward-looking objectives,
  // arXiv 2302.01687). UNIMPLEMENTED otherwise.
  virtual absl::Status AppendPartialLogRewards(const StateBatch& states,
                                               std::vector<float>& out) const;
  // For messages: an action as a person would say it, such as "increment dimension 2".
  virtual std::string ActionName(int32_t forward_action) const = 0;

  // The spec of the given kind, or INVALID_ARGUMENT naming the kinds that there are.
  absl::StatusOr<ObservationSpec> FindObservation(ObservationKind kind) const;
};

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_ENVIRONMENT_ENVIRONMENT_H_
