#include "gflownet/evaluation/transition_table.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace anabranch {
namespace {

constexpr int64_t kChunk = 4096;
constexpr int64_t kMaxEntries = int64_t{1} << 28;

// Fills the rows [begin, end) of the tables.
class ChunkBuilder {
 public:
  ChunkBuilder(const Environment& environment, TransitionTable& table)
      : environment_(environment), space_(*environment.state_space()), table_(table) {}

  absl::Status Build(int64_t begin, int64_t end) {
    const std::unique_ptr<StateBatch> states = space_.States(begin, end);
    ActionMask forward(table_.num_forward_actions), backward(table_.num_backward_actions);
    environment_.AppendForwardMask(*states, forward);
    environment_.AppendBackwardMask(*states, backward);
    for (int64_t s = begin; s < end; ++s) {
      table_.terminal[s] = forward.IsLegal(s - begin, table_.stop_action);
      table_.num_parents[s] = static_cast<int32_t>(backward.CountLegal(s - begin));
    }
    for (int32_t action = 0; action < table_.num_forward_actions; ++action) {
      if (action == table_.stop_action) continue;
      absl::Status status = Take(action, begin, forward, *states);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  // The children of the chunk's states by one action.
  absl::Status Take(int32_t action, int64_t begin, const ActionMask& legal,
                    const StateBatch& states) {
    rows_.clear();
    for (int64_t r = 0; r < legal.rows; ++r) {
      if (legal.IsLegal(r, action)) rows_.push_back(static_cast<int32_t>(r));
    }
    if (rows_.empty()) return absl::OkStatus();
    const std::unique_ptr<StateBatch> moved = environment_.Clone(states);
    environment_.Keep(*moved, rows_);
    actions_.assign(rows_.size(), action);
    back_.resize(rows_.size());
    children_.resize(rows_.size());
    environment_.BackwardActions(*moved, actions_, back_);
    const std::vector<float> values;
    environment_.Step(*moved, {actions_, values});
    space_.Indices(*moved, children_);
    for (size_t k = 0; k < rows_.size(); ++k) {
      const int64_t parent = begin + rows_[k];
      if (children_[k] <= parent || children_[k] >= table_.num_states) {
        return absl::InternalError(absl::StrCat(
            environment_.spec().fingerprint, ": action ", action, " (",
            environment_.ActionName(action), ") leads from state ", parent, " to state ",
            children_[k], " of ", table_.num_states, "; the numbering is not topological"));
      }
      const int64_t entry = parent * table_.num_forward_actions + action;
      table_.children[entry] = static_cast<int32_t>(children_[k]);
      table_.backward_actions[entry] = back_[k];
    }
    return absl::OkStatus();
  }

  const Environment& environment_;
  const StateSpace& space_;
  TransitionTable& table_;
  std::vector<int32_t> rows_, actions_, back_;
  std::vector<int64_t> children_;
};

// Every state must be entered by exactly as many edges as it has backward actions.
absl::Status CheckParents(const Environment& environment, const TransitionTable& table) {
  std::vector<int32_t> entered(table.num_states, 0);
  for (const int32_t child : table.children) {
    if (child >= 0) ++entered[child];
  }
  for (int64_t s = 0; s < table.num_states; ++s) {
    if (entered[s] != table.num_parents[s]) {
      return absl::InternalError(absl::StrCat(environment.spec().fingerprint, ": state ", s,
                                              " is the child of ", entered[s], " edges and has ",
                                              table.num_parents[s], " backward actions"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TransitionTable> BuildTransitionTable(const Environment& environment) {
  const EnvironmentSpec& spec = environment.spec();
  const StateSpace* space = environment.state_space();
  if (space == nullptr || spec.action_value_width > 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        spec.fingerprint, " has too many states to enumerate; exact distributions need few"));
  }
  const int64_t n = space->num_states();
  if (n > kMaxEntries / std::max<int64_t>(1, spec.num_forward_actions)) {
    return absl::ResourceExhaustedError(
        absl::StrCat(spec.fingerprint, " has ", n, " states with ", spec.num_forward_actions,
                     " actions each; tables of at most ", kMaxEntries, " entries are built"));
  }
  TransitionTable table;
  table.num_states = n;
  table.num_forward_actions = spec.num_forward_actions;
  table.num_backward_actions = spec.num_backward_actions;
  table.stop_action = spec.stop_action;
  table.children.assign(n * spec.num_forward_actions, -1);
  table.backward_actions.assign(n * spec.num_forward_actions, kNoAction);
  table.num_parents.assign(n, 0);
  table.terminal.assign(n, 0);
  ChunkBuilder builder(environment, table);
  for (int64_t begin = 0; begin < n; begin += kChunk) {
    absl::Status status = builder.Build(begin, std::min(n, begin + kChunk));
    if (!status.ok()) return status;
  }
  if (absl::Status status = CheckParents(environment, table); !status.ok()) return status;
  return table;
}

std::vector<std::string> TerminalObjects(const Environment& environment,
                                         const TransitionTable& table) {
  std::vector<std::string> objects(table.num_states);
  std::vector<int32_t> rows;
  std::vector<std::string> found;
  for (int64_t begin = 0; begin < table.num_states; begin += kChunk) {
    const int64_t end = std::min(table.num_states, begin + kChunk);
    rows.clear();
    for (int64_t s = begin; s < end; ++s) {
      if (table.terminal[s]) rows.push_back(static_cast<int32_t>(s - begin));
    }
    const std::unique_ptr<StateBatch> states = environment.state_space()->States(begin, end);
    environment.Keep(*states, rows);
    found.clear();
    environment.AppendObjects(*states, found);
    for (size_t k = 0; k < rows.size(); ++k) objects[begin + rows[k]] = std::move(found[k]);
  }
  return objects;
}

}  // namespace anabranch
