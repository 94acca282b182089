#include "gflownet/trajectory/state_rows.h"

#include <memory>
#include <numeric>
#include <span>
#include <string>

#include "absl/strings/str_cat.h"

namespace anabranch {
namespace {

absl::Status WrongLength(absl::string_view column, size_t found, int64_t expected) {
  return absl::InvalidArgumentError(absl::StrCat("trajectories.", column, " has ", found,
                                                 " entries where ", expected, " are needed"));
}

absl::Status CheckColumns(const Environment& environment, const Trajectories& t, int64_t total) {
  const int64_t width = environment.spec().action_value_width;
  if (static_cast<int64_t>(t.actions.size()) != total) {
    return WrongLength("actions", t.actions.size(), total);
  }
  if (t.action_value_width != width ||
      static_cast<int64_t>(t.action_values.size()) != total * width) {
    return WrongLength("action_values", t.action_values.size(), total * width);
  }
  if (static_cast<int64_t>(t.conditions.size()) != t.size() * t.condition_width) {
    return WrongLength("conditions", t.conditions.size(), t.size() * t.condition_width);
  }
  if (!t.prompts.empty() && static_cast<int64_t>(t.prompts.size()) != t.size()) {
    return WrongLength("prompts", t.prompts.size(), t.size());
  }
  return absl::OkStatus();
}

// Walks all trajectories in step, one row for each that is still on its way.
class Replay {
 public:
  Replay(const Environment& environment, const Trajectories& trajectories, StateRows& out)
      : environment_(environment), trajectories_(trajectories), out_(out) {}

  absl::Status Run();

 private:
  absl::Status FindOffsets();
  // Appends the columns of the current states and takes their actions from the trajectories.
  void AppendStates();
  absl::Status CheckLegal() const;
  void Advance();
  absl::Status Refuse(int64_t trajectory, absl::string_view what) const;

  const Environment& environment_;
  const Trajectories& trajectories_;
  StateRows& out_;
  std::unique_ptr<StateBatch> states_;
  int32_t t_ = 0;
  std::vector<int64_t> offsets_;   // [n] first action of each trajectory.
  std::vector<int32_t> active_;    // The trajectories that have a state at step t, ascending.
  std::vector<int32_t> actions_;   // [active] their forward actions at step t.
  std::vector<float> values_;      // [active, action_value_width]
  std::vector<int32_t> backward_;  // [active] the backward actions that led away from here.
  std::vector<int32_t> kept_;
};

absl::Status Replay::Refuse(int64_t trajectory, absl::string_view what) const {
  return absl::InvalidArgumentError(
      absl::StrCat("trajectory ", trajectory, ", step ", t_, ": ", what));
}

absl::Status Replay::FindOffsets() {
  int64_t total = 0;
  const int64_t limit = environment_.spec().max_trajectory_length;
  for (int64_t i = 0; i < trajectories_.size(); ++i) {
    const int32_t length = trajectories_.lengths[i];
    if (length < 1 || length > limit) {
      return absl::InvalidArgumentError(absl::StrCat(
          "trajectories.lengths[", i, "] is ", length, "; ", environment_.spec().fingerprint,
          " has trajectories of 1 to ", limit, " actions, stop included"));
    }
    offsets_.push_back(total);
    total += length;
  }
  return CheckColumns(environment_, trajectories_, total);
}

absl::Status Replay::Run() {
  if (absl::Status status = FindOffsets(); !status.ok()) return status;
  const int64_t n = trajectories_.size();
  auto initial = environment_.Initial(n, trajectories_.prompts);
  if (!initial.ok()) return initial.status();
  states_ = *std::move(initial);
  out_.num_trajectories = n;
  out_.action_value_width = trajectories_.action_value_width;
  out_.condition_width = trajectories_.condition_width;
  active_.resize(n);
  std::iota(active_.begin(), active_.end(), 0);
  backward_.assign(n, kNoAction);
  for (; !active_.empty(); ++t_) {
    AppendStates();
    if (absl::Status status = CheckLegal(); !status.ok()) return status;
    Advance();
  }
  return absl::OkStatus();
}

void Replay::AppendStates() {
  environment_.AppendObservations(*states_, out_.observations);
  environment_.AppendForwardMask(*states_, out_.forward_mask);
  environment_.AppendBackwardMask(*states_, out_.backward_mask);
  const int64_t value_width = trajectories_.action_value_width;
  const int64_t condition_width = trajectories_.condition_width;
  actions_.clear();
  values_.clear();
  for (const int32_t i : active_) {
    const int64_t position = offsets_[i] + t_;
    actions_.push_back(trajectories_.actions[position]);
    auto value = trajectories_.action_values.begin() + position * value_width;
    values_.insert(values_.end(), value, value + value_width);
    auto condition = trajectories_.conditions.begin() + i * condition_width;
    out_.conditions.insert(out_.conditions.end(), condition, condition + condition_width);
  }
  out_.forward_actions.insert(out_.forward_actions.end(), actions_.begin(), actions_.end());
  out_.action_values.insert(out_.action_values.end(), values_.begin(), values_.end());
  out_.backward_actions.insert(out_.backward_actions.end(), backward_.begin(), backward_.end());
  out_.trajectory.insert(out_.trajectory.end(), active_.begin(), active_.end());
  out_.step.insert(out_.step.end(), active_.size(), t_);
  out_.rows += static_cast<int64_t>(active_.size());
}

absl::Status Replay::CheckLegal() const {
  const int64_t first_row = out_.rows - static_cast<int64_t>(active_.size());
  const int32_t stop = environment_.spec().stop_action;
  for (size_t k = 0; k < active_.size(); ++k) {
    const int32_t action = actions_[k];
    const bool last = t_ + 1 == trajectories_.lengths[active_[k]];
    if (!out_.forward_mask.IsLegal(first_row + static_cast<int64_t>(k), action)) {
      std::vector<std::string> objects;
      const auto row = static_cast<int32_t>(k);
      std::unique_ptr<StateBatch> state = environment_.Clone(*states_);
      environment_.Keep(*state, std::span(&row, 1));
      environment_.AppendObjects(*state, objects);
      const bool known = action >= 0 && action < environment_.spec().num_forward_actions;
      return Refuse(active_[k],
                    absl::StrCat("action ", action, " (",
                                 known ? environment_.ActionName(action) : "no such action",
                                 ") is illegal in state \"", objects[0], "\""));
    }
    if (last && action != stop) {
      return Refuse(active_[k], absl::StrCat("the trajectory ends with action ", action, " (",
                                             environment_.ActionName(action),
                                             ") instead of stop, action ", stop));
    }
    if (!last && action == stop) {
      return Refuse(active_[k], "actions follow the stop action");
    }
  }
  return absl::OkStatus();
}

void Replay::Advance() {
  kept_.clear();
  for (size_t k = 0; k < active_.size(); ++k) {
    if (t_ + 1 < trajectories_.lengths[active_[k]]) kept_.push_back(static_cast<int32_t>(k));
  }
  if (kept_.size() < active_.size()) {
    const int64_t width = trajectories_.action_value_width;
    for (size_t j = 0; j < kept_.size(); ++j) {
      active_[j] = active_[kept_[j]];
      actions_[j] = actions_[kept_[j]];
      for (int64_t v = 0; v < width; ++v) values_[j * width + v] = values_[kept_[j] * width + v];
    }
    active_.resize(kept_.size());
    actions_.resize(kept_.size());
    values_.resize(kept_.size() * width);
    environment_.Keep(*states_, kept_);
  }
  backward_.resize(active_.size());
  environment_.BackwardActions(*states_, actions_, backward_);
  environment_.Step(*states_, {actions_, values_});
}

}  // namespace

void StateRows::Clear() {
  rows = 0;
  num_trajectories = 0;
  observations.Clear();
  forward_mask.Clear();
  backward_mask.Clear();
  forward_actions.clear();
  backward_actions.clear();
  action_values.clear();
  trajectory.clear();
  step.clear();
  conditions.clear();
}

absl::Status BuildStateRows(const Environment& environment, const Trajectories& trajectories,
                            StateRows& out) {
  out.Clear();
  out.forward_mask.num_actions = environment.spec().num_forward_actions;
  out.backward_mask.num_actions = environment.spec().num_backward_actions;
  return Replay(environment, trajectories, out).Run();
}

}  // namespace anabranch
