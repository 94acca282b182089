#include "tests/gflownet/environment/environment_contract.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace anabranch {
namespace {

class Checker {
 public:
  explicit Checker(const Environment& environment)
      : env_(environment), spec_(environment.spec()), space_(*environment.state_space()) {}

  absl::Status Run();

 private:
  absl::Status Broken(int64_t state, absl::string_view rule) const {
    return absl::FailedPreconditionError(absl::StrCat("state ", state, ": ", rule));
  }
  int64_t IndexOf(const StateBatch& states) const {
    int64_t index = -1;
    space_.Indices(states, std::span(&index, 1));
    return index;
  }

  absl::Status CheckNumbering();
  absl::Status CheckEdges(int64_t state);
  absl::Status CheckEdge(int64_t state, int32_t action, std::set<int64_t>& children);
  absl::Status CheckParents();
  absl::Status CheckObjects();
  absl::Status CheckObservations();
  absl::Status CheckBatches();

  const Environment& env_;
  const EnvironmentSpec& spec_;
  const StateSpace& space_;
  ActionMask forward_{0};
  ActionMask backward_{0};
  std::vector<std::set<int64_t>> parents_;
  std::vector<int64_t> longest_;  // Actions from the source, stop not included; −1 = not reached.
};

absl::Status Checker::CheckNumbering() {
  const int64_t n = space_.num_states();
  std::vector<int64_t> indices(n);
  space_.Indices(*space_.States(0, n), indices);
  for (int64_t i = 0; i < n; ++i) {
    if (indices[i] != i) return Broken(i, "its number is not its place");
  }
  if (IndexOf(*env_.Initial(1)) != 0) return Broken(0, "it is not the source");
  return absl::OkStatus();
}

absl::Status Checker::CheckEdge(int64_t state, int32_t action, std::set<int64_t>& children) {
  auto parent = space_.States(state, state + 1);
  auto child = env_.Clone(*parent);
  int32_t back = -2;
  env_.BackwardActions(*parent, std::span(&action, 1), std::span(&back, 1));
  env_.Step(*child, {std::span<const int32_t>(&action, 1), {}});
  const int64_t index = IndexOf(*child);
  if (IndexOf(*parent) != state) return Broken(state, "stepping a clone changed its origin");
  if (action == spec_.stop_action) {
    if (index != state) return Broken(state, "stop changes the state");
    return back == kNoAction ? absl::OkStatus() : Broken(state, "stop has a backward action");
  }
  if (index <= state) return Broken(state, "a child's number is not greater");
  if (!children.insert(index).second) return Broken(state, "two legal actions have one child");
  if (!backward_.IsLegal(index, back)) {
    return Broken(state, absl::StrCat("action ", action, " is undone by an illegal action of state ",
                                      index));
  }
  int32_t again = -2;
  env_.ForwardActions(*child, std::span(&back, 1), std::span(&again, 1));
  if (again != action) return Broken(state, "ForwardActions is not the inverse of BackwardActions");
  env_.StepBack(*child, std::span(&back, 1));
  if (IndexOf(*child) != state) return Broken(state, "going forward and back leads elsewhere");
  parents_[index].insert(state);
  longest_[index] = std::max(longest_[index], longest_[state] + 1);
  return absl::OkStatus();
}

absl::Status Checker::CheckEdges(int64_t state) {
  if (longest_[state] < 0) return Broken(state, "it can't be reached");
  if (forward_.CountLegal(state) == 0) return Broken(state, "it has no legal action");
  std::set<int64_t> children;
  for (int32_t action = 0; action < spec_.num_forward_actions; ++action) {
    if (!forward_.IsLegal(state, action)) continue;
    if (absl::Status status = CheckEdge(state, action, children); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Checker::CheckParents() {
  for (int64_t i = 0; i < space_.num_states(); ++i) {
    const auto distinct = static_cast<int64_t>(parents_[i].size());
    if (backward_.CountLegal(i) != distinct) {
      return Broken(i, absl::StrCat("its backward mask has ", backward_.CountLegal(i),
                                    " bits, and it has ", distinct, " distinct parents"));
    }
  }
  const int64_t longest = *std::max_element(longest_.begin(), longest_.end()) + 1;
  if (longest != spec_.max_trajectory_length) {
    return absl::FailedPreconditionError(absl::StrCat("the longest trajectory has ", longest,
                                                      " actions, and max_trajectory_length is ",
                                                      spec_.max_trajectory_length));
  }
  return absl::OkStatus();
}

absl::Status Checker::CheckObjects() {
  std::vector<int32_t> terminal;
  for (int64_t i = 0; i < space_.num_states(); ++i) {
    if (forward_.IsLegal(i, spec_.stop_action)) terminal.push_back(static_cast<int32_t>(i));
  }
  auto states = space_.States(0, space_.num_states());
  env_.Keep(*states, terminal);
  std::vector<std::string> objects;
  std::vector<StateKey> keys;
  env_.AppendObjects(*states, objects);
  env_.AppendStateKeys(*states, keys);
  auto read_back = env_.FromObjects(objects);
  if (!read_back.ok()) return read_back.status();
  std::vector<int64_t> indices(terminal.size());
  space_.Indices(**read_back, indices);
  for (size_t i = 0; i < terminal.size(); ++i) {
    if (indices[i] != terminal[i]) return Broken(terminal[i], "its object reads back as another");
  }
  if (std::set(objects.begin(), objects.end()).size() != terminal.size() ||
      std::set(keys.begin(), keys.end()).size() != terminal.size()) {
    return absl::FailedPreconditionError("two terminal states share an object or a key");
  }
  return absl::OkStatus();
}

absl::Status Checker::CheckObservations() {
  const int64_t n = space_.num_states();
  auto states = space_.States(0, n);
  for (const ObservationSpec& spec : spec_.observations) {
    ObservationBatch batch(spec);
    env_.AppendObservations(*states, batch);
    bool ok = batch.rows == n;
    if (spec.kind == ObservationKind::kMultiHot) {
      ok = ok && static_cast<int64_t>(batch.hot.size()) == n * spec.hot_per_row;
      for (const int32_t hot : batch.hot) ok = ok && hot >= 0 && hot < spec.width;
    } else if (spec.kind == ObservationKind::kDense) {
      ok = ok && static_cast<int64_t>(batch.dense.size()) == n * spec.width;
    } else if (spec.kind == ObservationKind::kTokens) {
      ok = ok && static_cast<int64_t>(batch.token_offsets.size()) == n + 1;
      for (const int32_t token : batch.tokens) ok = ok && token >= 0 && token < spec.vocabulary;
    }
    if (!ok) return absl::FailedPreconditionError("observations differ from their declared shape");
  }
  return absl::OkStatus();
}

absl::Status Checker::CheckBatches() {
  // Every third state, by Keep on a clone, must be the same as asking for those states.
  const int64_t n = space_.num_states();
  auto all = space_.States(0, n);
  auto some = env_.Clone(*all);
  std::vector<int32_t> rows;
  for (int64_t i = 0; i < n; i += 3) rows.push_back(static_cast<int32_t>(i));
  env_.Keep(*some, rows);
  if (all->size() != n) return absl::FailedPreconditionError("Keep on a clone changed its origin");
  std::vector<int64_t> indices(rows.size());
  if (some->size() != static_cast<int64_t>(rows.size())) {
    return absl::FailedPreconditionError("Keep leaves another number of rows");
  }
  space_.Indices(*some, indices);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (indices[i] != rows[i]) return Broken(rows[i], "Keep kept another row");
  }
  return absl::OkStatus();
}

absl::Status Checker::Run() {
  if (absl::Status status = CheckNumbering(); !status.ok()) return status;
  const int64_t n = space_.num_states();
  forward_.num_actions = spec_.num_forward_actions;
  backward_.num_actions = spec_.num_backward_actions;
  auto states = space_.States(0, n);
  env_.AppendForwardMask(*states, forward_);
  env_.AppendBackwardMask(*states, backward_);
  if (forward_.rows != n || backward_.rows != n) {
    return absl::FailedPreconditionError("a mask has not one row for each state");
  }
  parents_.resize(n);
  longest_.assign(n, -1);
  longest_[0] = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (absl::Status status = CheckEdges(i); !status.ok()) return status;
  }
  for (auto check : {&Checker::CheckParents, &Checker::CheckObjects, &Checker::CheckObservations,
                     &Checker::CheckBatches}) {
    if (absl::Status status = (this->*check)(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckEnvironmentContract(const Environment& environment) {
  if (environment.state_space() == nullptr) {
    return absl::InvalidArgumentError("the contract is checked on enumerable environments");
  }
  return Checker(environment).Run();
}

}  // namespace anabranch
