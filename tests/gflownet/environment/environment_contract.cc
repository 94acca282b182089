#include "tests/gflownet/environment/environment_contract.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/gflownet/environment/state_looks.h"

namespace anabranch {
namespace {

absl::Status Broken(absl::string_view rule) { return absl::FailedPreconditionError(rule); }

absl::Status Broken(int64_t state, absl::string_view rule) {
  return absl::FailedPreconditionError(absl::StrCat("state ", state, ": ", rule));
}

// A batch of edges: each row is a state and an action legal there.
struct EdgeBatch {
  std::vector<int32_t> parents;
  std::vector<int32_t> actions;
  std::vector<int64_t> children;
  std::vector<int32_t> back;  // What undoes each, kNoAction for stop.
};

class Checker {
 public:
  explicit Checker(const Environment& environment)
      : env_(environment),
        spec_(environment.spec()),
        space_(*environment.state_space()),
        n_(space_.num_states()),
        forward_(spec_.num_forward_actions),
        backward_(spec_.num_backward_actions),
        parents_(n_),
        children_(n_) {}

  absl::Status Run(std::span<const std::string> malformed);

 private:
  std::vector<int64_t> IndicesOf(const StateBatch& states) const {
    std::vector<int64_t> indices(states.size());
    space_.Indices(states, indices);
    return indices;
  }
  // The given states, ascending.
  std::unique_ptr<StateBatch> Select(std::span<const int32_t> rows) const {
    auto states = space_.States(0, n_);
    env_.Keep(*states, rows);
    return states;
  }

  absl::Status CheckNumbering() const;
  absl::Status ReadTables();
  absl::Status CheckStates();
  // The k-th legal action of every state that has one: neighbours in the batch take different ones.
  EdgeBatch EdgesOfRank(int64_t rank) const;
  absl::Status CheckForward(EdgeBatch& edges);
  absl::Status CheckBackward(const EdgeBatch& edges) const;
  absl::Status CheckLooks(const StateBatch& states, std::span<const int64_t> expected) const;
  absl::Status CheckParents() const;
  absl::Status CheckObjects() const;
  absl::Status CheckMalformed(std::span<const std::string> malformed) const;
  absl::Status CheckKeep() const;

  const Environment& env_;
  const EnvironmentSpec& spec_;
  const StateSpace& space_;
  const int64_t n_;
  ActionMask forward_;
  ActionMask backward_;
  StateLooks looks_;  // Of every state, in order.
  std::vector<std::set<int64_t>> parents_;
  std::vector<std::set<int64_t>> children_;
};

absl::Status Checker::CheckNumbering() const {
  const std::vector<int64_t> indices = IndicesOf(*space_.States(0, n_));
  for (int64_t i = 0; i < n_; ++i) {
    if (indices[i] != i) return Broken(i, "its number is not its place");
  }
  if (IndicesOf(*space_.States(n_ / 2, n_)).front() != n_ / 2) {
    return Broken(n_ / 2, "a range of states begins elsewhere");
  }
  if (IndicesOf(*env_.Initial(3)) != std::vector<int64_t>(3, 0)) {
    return Broken(0, "it is not the source");
  }
  return absl::OkStatus();
}

absl::Status Checker::ReadTables() {
  auto states = space_.States(0, n_);
  auto looks = LookAt(env_, *states);
  if (!looks.ok()) return looks.status();
  looks_ = *std::move(looks);
  env_.AppendForwardMask(*states, forward_);
  env_.AppendBackwardMask(*states, backward_);
  // Appended in two parts, nothing changes.
  auto parts = LookAt(env_, *space_.States(0, n_ / 2), *space_.States(n_ / 2, n_));
  if (!parts.ok()) return parts.status();
  if (parts->masks != looks_.masks || parts->observations != looks_.observations) {
    return Broken("rows appended after others differ from the same rows alone");
  }
  for (const std::vector<std::string>& kind : looks_.observations) {
    const std::set<std::string> distinct(kind.begin(), kind.end());
    if (static_cast<int64_t>(distinct.size()) == n_) return absl::OkStatus();
  }
  return Broken("no kind of observation tells all states apart");
}

EdgeBatch Checker::EdgesOfRank(int64_t rank) const {
  EdgeBatch edges;
  for (int64_t state = 0; state < n_; ++state) {
    int64_t legal = 0;
    for (int32_t action = 0; action < spec_.num_forward_actions; ++action) {
      if (!forward_.IsLegal(state, action) || legal++ != rank) continue;
      edges.parents.push_back(static_cast<int32_t>(state));
      edges.actions.push_back(action);
    }
  }
  return edges;
}

absl::Status Checker::CheckLooks(const StateBatch& states,
                                 std::span<const int64_t> expected) const {
  auto looks = LookAt(env_, states);
  if (!looks.ok()) return looks.status();
  for (size_t i = 0; i < expected.size(); ++i) {
    bool same = looks->masks[i] == looks_.masks[expected[i]];
    for (size_t k = 0; k < looks_.observations.size(); ++k) {
      same = same && looks->observations[k][i] == looks_.observations[k][expected[i]];
    }
    if (!same) return Broken(expected[i], "its mask or observation depends on the way to it");
  }
  return absl::OkStatus();
}

absl::Status Checker::CheckForward(EdgeBatch& edges) {
  auto origin = Select(edges.parents);
  auto states = env_.Clone(*origin);
  edges.back.resize(edges.parents.size());
  env_.BackwardActions(*origin, edges.actions, edges.back);
  env_.Step(*states, {edges.actions, {}});
  edges.children = IndicesOf(*states);
  const std::vector<int64_t> kept = IndicesOf(*origin);
  for (size_t i = 0; i < edges.parents.size(); ++i) {
    const int64_t parent = edges.parents[i], child = edges.children[i];
    if (kept[i] != parent) return Broken(parent, "stepping a clone changed its origin");
    if (edges.actions[i] == spec_.stop_action) {
      if (child != parent) return Broken(parent, "stop changes the state");
      if (edges.back[i] != kNoAction) return Broken(parent, "stop has a backward action");
      continue;
    }
    if (child <= parent) return Broken(parent, "a child's number is not greater");
    if (!children_[parent].insert(child).second) {
      return Broken(parent, "two legal actions have one child");
    }
    if (child >= n_ || !backward_.IsLegal(child, edges.back[i])) {
      return Broken(parent, absl::StrCat("action ", edges.actions[i],
                                         " is undone by an illegal action of state ", child));
    }
    parents_[child].insert(parent);
  }
  return CheckLooks(*states, edges.children);
}

absl::Status Checker::CheckBackward(const EdgeBatch& edges) const {
  // Stop can't be undone; the others step again, now without it.
  std::vector<int32_t> parents, actions, back;
  for (size_t i = 0; i < edges.parents.size(); ++i) {
    if (edges.actions[i] == spec_.stop_action) continue;
    parents.push_back(edges.parents[i]);
    actions.push_back(edges.actions[i]);
    back.push_back(edges.back[i]);
  }
  auto states = Select(parents);
  env_.Step(*states, {actions, {}});
  std::vector<int32_t> again(parents.size());
  env_.ForwardActions(*states, back, again);
  env_.StepBack(*states, back);
  const std::vector<int64_t> returned = IndicesOf(*states);
  for (size_t i = 0; i < parents.size(); ++i) {
    if (again[i] != actions[i]) {
      return Broken(parents[i], "ForwardActions is not the inverse of BackwardActions");
    }
    if (returned[i] != parents[i]) {
      return Broken(parents[i], "going forward and back leads elsewhere");
    }
  }
  return CheckLooks(*states, returned);
}

absl::Status Checker::CheckStates() {
  for (int64_t i = 0; i < n_; ++i) {
    if (forward_.CountLegal(i) == 0) return Broken(i, "it has no legal action");
  }
  for (int64_t rank = 0; rank < spec_.num_forward_actions; ++rank) {
    EdgeBatch edges = EdgesOfRank(rank);
    if (absl::Status status = CheckForward(edges); !status.ok()) return status;
    if (absl::Status status = CheckBackward(edges); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Checker::CheckParents() const {
  std::vector<int64_t> longest(n_, 0);  // Actions from the source, stop not included.
  for (int64_t i = 0; i < n_; ++i) {
    const auto distinct = static_cast<int64_t>(parents_[i].size());
    if (backward_.CountLegal(i) != distinct) {
      return Broken(i, absl::StrCat("its backward mask has ", backward_.CountLegal(i),
                                    " bits, and it has ", distinct, " distinct parents"));
    }
    // Parents come before their children, so by induction a parent is enough to be reached.
    if (i > 0 && distinct == 0) return Broken(i, "it can't be reached");
    for (const int64_t parent : parents_[i]) {
      longest[i] = std::max(longest[i], longest[parent] + 1);
    }
  }
  const int64_t actions = *std::max_element(longest.begin(), longest.end()) + 1;
  if (actions == spec_.max_trajectory_length) return absl::OkStatus();
  return Broken(absl::StrCat("the longest trajectory has ", actions,
                             " actions, and max_trajectory_length is ",
                             spec_.max_trajectory_length));
}

absl::Status Checker::CheckObjects() const {
  std::vector<int32_t> terminal;
  for (int64_t i = 0; i < n_; ++i) {
    if (forward_.IsLegal(i, spec_.stop_action)) terminal.push_back(static_cast<int32_t>(i));
  }
  auto states = Select(terminal);
  std::vector<std::string> objects;
  std::vector<StateKey> keys;
  env_.AppendObjects(*states, objects);
  env_.AppendStateKeys(*states, keys);
  if (objects.size() != terminal.size() || keys.size() != terminal.size()) {
    return Broken("terminal states have another number of objects or keys");
  }
  auto read_back = env_.FromObjects(objects);
  if (!read_back.ok()) return read_back.status();
  const std::vector<int64_t> indices = IndicesOf(**read_back);
  for (size_t i = 0; i < terminal.size(); ++i) {
    if (indices[i] != terminal[i]) return Broken(terminal[i], "its object reads back as another");
  }
  if (std::set(objects.begin(), objects.end()).size() != terminal.size() ||
      std::set(keys.begin(), keys.end()).size() != terminal.size()) {
    return Broken("two terminal states share an object or a key");
  }
  return CheckLooks(**read_back, indices);
}

absl::Status Checker::CheckMalformed(std::span<const std::string> malformed) const {
  // Some object that is right, so that the index named is that of the wrong one.
  std::vector<std::string> objects;
  auto last = space_.States(n_ - 1, n_);
  env_.AppendObjects(*last, objects);
  objects.emplace_back();
  for (const std::string& object : malformed) {
    objects[1] = object;
    const absl::Status status = env_.FromObjects(objects).status();
    if (status.code() != absl::StatusCode::kInvalidArgument ||
        status.message().find("objects[1]") == absl::string_view::npos) {
      return Broken(
          absl::StrCat("the malformed object \"", object, "\" gets: ", status.ToString()));
    }
  }
  return absl::OkStatus();
}

absl::Status Checker::CheckKeep() const {
  auto all = space_.States(0, n_);
  for (const int64_t stride : {int64_t{1}, int64_t{3}, n_}) {
    for (const int64_t first : {int64_t{0}, std::min(stride, n_) - 1, n_}) {
      std::vector<int32_t> rows;
      for (int64_t i = first; i < n_; i += stride) rows.push_back(static_cast<int32_t>(i));
      auto some = env_.Clone(*all);
      env_.Keep(*some, rows);
      const std::vector<int64_t> kept = IndicesOf(*some);
      if (!std::equal(kept.begin(), kept.end(), rows.begin(), rows.end())) {
        return Broken("Keep keeps other rows than the given ones");
      }
      if (absl::Status status = CheckLooks(*some, kept); !status.ok()) return status;
    }
  }
  if (all->size() == n_) return absl::OkStatus();
  return Broken("Keep on a clone changed its origin");
}

absl::Status Checker::Run(std::span<const std::string> malformed) {
  absl::Status status = CheckNumbering();
  if (status.ok()) status = ReadTables();
  if (status.ok()) status = CheckKeep();
  if (status.ok()) status = CheckStates();
  if (status.ok()) status = CheckParents();
  if (status.ok()) status = CheckObjects();
  if (status.ok()) status = CheckMalformed(malformed);
  return status;
}

}  // namespace

absl::Status CheckEnvironmentContract(const Environment& environment,
                                      std::span<const std::string> malformed) {
  if (environment.state_space() == nullptr) {
    return absl::InvalidArgumentError("the contract is checked on enumerable environments");
  }
  return Checker(environment).Run(malformed);
}

}  // namespace anabranch
