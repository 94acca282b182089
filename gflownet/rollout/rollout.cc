#include "gflownet/rollout/rollout.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gflownet/lap.h"

namespace anabranch {
namespace {

absl::Status CheckOptions(const RolloutOptions& options) {
  auto refuse = [](absl::string_view field, auto value, absl::string_view remedy) {
    return absl::InvalidArgumentError(absl::StrCat("rollout ", field, " is ", value, "; ", remedy));
  };
  if (options.trajectories < 1) {
    return refuse("trajectories", options.trajectories, "give at least 1");
  }
  if (!(options.exploration.epsilon >= 0 && options.exploration.epsilon <= 1)) {
    return refuse("epsilon", options.exploration.epsilon, "give a probability");
  }
  if (!(options.exploration.temperature > 0)) {
    return refuse("temperature", options.exploration.temperature, "give a positive number");
  }
  const auto conditions = static_cast<int64_t>(options.conditions.size());
  if (conditions != options.trajectories * options.condition_width) {
    return refuse("conditions' length", conditions,
                  absl::StrCat("trajectories × condition_width is ",
                               options.trajectories * options.condition_width));
  }
  return absl::OkStatus();
}

}  // namespace

struct Rollout::Buffers {
  explicit Buffers(const ObservationSpec& observation) : observations(observation) {}

  ObservationBatch observations;
  ActionMask mask;
  SampledActions sampled;
  std::vector<float> conditions;  // [active, condition_width]
  std::vector<int32_t> active;    // The trajectories still on their way, ascending.
  std::vector<int32_t> kept;
  std::vector<int32_t> stopped;
  std::vector<int32_t> forward;

  // What was done, step after step; gathered by trajectory at the end.
  std::vector<int32_t> done_trajectory;
  std::vector<int32_t> done_action;
  std::vector<float> done_log_prob;
  std::vector<float> done_values;
  std::vector<int32_t> finished;  // Trajectories in the order in which they stopped.
  std::vector<std::string> objects;
  std::vector<StateKey> state_keys;

  void Begin(int64_t n) {
    active.resize(n);
    std::iota(active.begin(), active.end(), 0);
    done_trajectory.clear();
    done_action.clear();
    done_log_prob.clear();
    done_values.clear();
    finished.clear();
    objects.clear();
    state_keys.clear();
  }

  // Keeps the rows of `kept` in every column that goes by active trajectory.
  void Compact(int64_t value_width) {
    for (size_t j = 0; j < kept.size(); ++j) {
      const int32_t k = kept[j];
      active[j] = active[k];
      sampled.ids[j] = sampled.ids[k];
      std::copy_n(sampled.values.begin() + k * value_width, value_width,
                  sampled.values.begin() + static_cast<int64_t>(j) * value_width);
    }
    active.resize(kept.size());
    sampled.ids.resize(kept.size());
    sampled.values.resize(kept.size() * value_width);
  }
};

Rollout::Rollout(const Environment& environment, Policy& policy)
    : environment_(environment),
      policy_(policy),
      buffers_(std::make_unique<Buffers>(policy.observation())) {}

Rollout::~Rollout() = default;

absl::Status Rollout::Forward(const RolloutOptions& options, RandomStream& random,
                              Trajectories& out) {
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  const int64_t n = options.trajectories;
  auto initial = environment_.Initial(n, options.prompts);
  if (!initial.ok()) return initial.status();
  std::unique_ptr<StateBatch> states = *std::move(initial);
  Buffers& b = *buffers_;
  b.Begin(n);
  b.mask.num_actions = environment_.spec().num_forward_actions;
  const int64_t steps = environment_.spec().max_trajectory_length;
  for (int64_t t = 0; !b.active.empty(); ++t) {
    if (t == steps) {
      return absl::InternalError(absl::StrCat(environment_.spec().fingerprint,
                                              ": a trajectory has more than ", steps,
                                              " actions, its declared maximum"));
    }
    StepForward(options, random, *states);
  }
  Lap lap;
  Gather(n, options.record_log_pf, out);
  out.prompts = options.prompts;
  out.condition_width = options.condition_width;
  out.conditions = options.conditions;
  lap.Add(times_.environment);
  return absl::OkStatus();
}

void Rollout::StepForward(const RolloutOptions& options, RandomStream& random, StateBatch& states) {
  Buffers& b = *buffers_;
  Lap lap;
  b.observations.Clear();
  b.mask.Clear();
  environment_.AppendObservations(states, b.observations);
  environment_.AppendForwardMask(states, b.mask);
  b.conditions.clear();
  for (const int32_t i : b.active) {
    auto condition = options.conditions.begin() + i * options.condition_width;
    b.conditions.insert(b.conditions.end(), condition, condition + options.condition_width);
  }
  lap.Add(times_.environment);
  policy_.SampleForward({b.observations, b.mask, options.condition_width, b.conditions},
                        options.exploration, random, b.sampled);
  lap.Add(times_.policy);
  b.done_trajectory.insert(b.done_trajectory.end(), b.active.begin(), b.active.end());
  b.done_action.insert(b.done_action.end(), b.sampled.ids.begin(), b.sampled.ids.end());
  b.done_values.insert(b.done_values.end(), b.sampled.values.begin(), b.sampled.values.end());
  if (options.record_log_pf) {
    b.done_log_prob.insert(b.done_log_prob.end(), b.sampled.log_prob.begin(),
                           b.sampled.log_prob.end());
  }
  RetireStopped(states);
  if (!b.active.empty()) {
    environment_.Step(states, {b.sampled.ids, std::span<const float>(b.sampled.values)});
  }
  lap.Add(times_.environment);
}

void Rollout::RetireStopped(StateBatch& states) {
  Buffers& b = *buffers_;
  const int32_t stop = environment_.spec().stop_action;
  b.kept.clear();
  b.stopped.clear();
  for (size_t k = 0; k < b.active.size(); ++k) {
    (b.sampled.ids[k] == stop ? b.stopped : b.kept).push_back(static_cast<int32_t>(k));
  }
  if (b.stopped.empty()) return;
  for (const int32_t k : b.stopped) b.finished.push_back(b.active[k]);
  std::unique_ptr<StateBatch> terminal = environment_.Clone(states);
  environment_.Keep(*terminal, b.stopped);
  environment_.AppendObjects(*terminal, b.objects);
  environment_.AppendStateKeys(*terminal, b.state_keys);
  b.Compact(environment_.spec().action_value_width);
  environment_.Keep(states, b.kept);
}

void Rollout::Gather(int64_t n, bool record_log_pf, Trajectories& out) {
  Buffers& b = *buffers_;
  const size_t total = b.done_action.size();
  const int64_t width = environment_.spec().action_value_width;
  out.Clear();
  out.lengths.assign(n, 0);
  for (const int32_t i : b.done_trajectory) ++out.lengths[i];
  std::vector<int64_t> next(n, 0);
  std::partial_sum(out.lengths.begin(), out.lengths.end() - 1, next.begin() + 1);
  out.actions.resize(total);
  out.action_value_width = width;
  out.action_values.resize(total * width);
  out.log_pf.resize(record_log_pf ? total : 0);
  for (size_t k = 0; k < total; ++k) {
    const int64_t position = next[b.done_trajectory[k]]++;
    out.actions[position] = b.done_action[k];
    if (record_log_pf) out.log_pf[position] = b.done_log_prob[k];
    std::copy_n(b.done_values.begin() + static_cast<int64_t>(k) * width, width,
                out.action_values.begin() + position * width);
  }
  out.objects.resize(n);
  out.object_keys.resize(n);
  out.state_keys.resize(n);
  for (size_t k = 0; k < b.finished.size(); ++k) {
    const int32_t i = b.finished[k];
    out.object_keys[i] = ObjectKey::Of(b.objects[k]);
    out.objects[i] = std::move(b.objects[k]);
    out.state_keys[i] = b.state_keys[k];
  }
}

absl::Status Rollout::Backward(std::span<const std::string> objects, RandomStream& random,
                               Trajectories& out, std::vector<float>* log_pb) {
  const EnvironmentSpec& spec = environment_.spec();
  const auto n = static_cast<int64_t>(objects.size());
  auto terminal = environment_.FromObjects(objects);
  if (!terminal.ok()) return terminal.status();
  if (spec.action_value_width > 0) {
    return absl::UnimplementedError(absl::StrCat("backward rollouts need discrete actions, and ",
                                                 spec.fingerprint, " has continuous ones"));
  }
  std::unique_ptr<StateBatch> states = *std::move(terminal);
  Buffers& b = *buffers_;
  b.Begin(n);
  environment_.AppendStateKeys(*states, b.state_keys);
  b.objects.assign(objects.begin(), objects.end());
  b.finished = b.active;
  // The last action of each comes first here; Gather keeps the order, so it is turned round below.
  b.done_trajectory = b.active;
  b.done_action.assign(n, spec.stop_action);
  if (log_pb != nullptr) log_pb->assign(n, 0.0f);
  b.mask.num_actions = spec.num_backward_actions;
  while (!b.active.empty()) StepBackward(random, *states, log_pb);
  if (n == 0) {
    out.Clear();
    return absl::OkStatus();
  }
  Gather(n, false, out);
  auto first = out.actions.begin();
  for (const int32_t length : out.lengths) {
    std::reverse(first, first + length);
    first += length;
  }
  return absl::OkStatus();
}

void Rollout::StepBackward(RandomStream& random, StateBatch& states, std::vector<float>* log_pb) {
  Buffers& b = *buffers_;
  Lap lap;
  b.observations.Clear();
  b.mask.Clear();
  environment_.AppendObservations(states, b.observations);
  environment_.AppendBackwardMask(states, b.mask);
  lap.Add(times_.environment);
  policy_.SampleBackward({b.observations, b.mask}, random, b.sampled);
  lap.Add(times_.policy);
  b.kept.clear();
  for (size_t k = 0; k < b.active.size(); ++k) {
    if (b.sampled.ids[k] == kNoAction) continue;  // At the source: the trajectory is whole.
    b.kept.push_back(static_cast<int32_t>(k));
    if (log_pb != nullptr) (*log_pb)[b.active[k]] += b.sampled.log_prob[k];
  }
  if (b.kept.size() < b.active.size()) {
    b.Compact(0);
    environment_.Keep(states, b.kept);
  }
  if (b.active.empty()) return;
  b.forward.resize(b.active.size());
  environment_.ForwardActions(states, b.sampled.ids, b.forward);
  b.done_trajectory.insert(b.done_trajectory.end(), b.active.begin(), b.active.end());
  b.done_action.insert(b.done_action.end(), b.forward.begin(), b.forward.end());
  environment_.StepBack(states, b.sampled.ids);
  lap.Add(times_.environment);
}

}  // namespace anabranch
