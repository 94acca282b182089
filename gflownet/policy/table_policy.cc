#include "gflownet/policy/table_policy.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gflownet/policy/categorical.h"
#include "gflownet/policy/taken_log_prob.h"

namespace anabranch {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// A logit whose probability is 0 in float, and which a gradient step survives, unlike −∞.
constexpr double kNever = -1e4;
constexpr int64_t kChunk = 4096;

template <typename T>
absl::string_view BytesOf(const std::vector<T>& values, int64_t begin, int64_t end) {
  return {reinterpret_cast<const char*>(values.data() + begin), (end - begin) * sizeof(T)};
}

// What tells one row of observations from another.
absl::string_view RowBytes(const ObservationBatch& batch, int64_t row) {
  const ObservationSpec& spec = batch.spec;
  switch (spec.kind) {
    case ObservationKind::kMultiHot:
      return BytesOf(batch.hot, row * spec.hot_per_row, (row + 1) * spec.hot_per_row);
    case ObservationKind::kDense:
      return BytesOf(batch.dense, row * spec.width, (row + 1) * spec.width);
    default:
      return BytesOf(batch.tokens, batch.token_offsets[row], batch.token_offsets[row + 1]);
  }
}

absl::Status CheckLogs(absl::string_view name, std::span<const double> values, int64_t expected) {
  if (static_cast<int64_t>(values.size()) != expected) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " has ", values.size(), " entries where ", expected, " are needed"));
  }
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i]) || values[i] == kInfinity) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, "[", i, "] is ", values[i], "; give a logarithm, or -inf for 0"));
    }
  }
  return absl::OkStatus();
}

void CopyLogits(std::span<const double> from, float* to) {
  for (size_t i = 0; i < from.size(); ++i) to[i] = static_cast<float>(std::max(from[i], kNever));
}

const ObservationSpec* ChooseObservation(const EnvironmentSpec& spec) {
  for (const ObservationSpec& observation : spec.observations) {
    if (observation.kind != ObservationKind::kGraph) return &observation;
  }
  return nullptr;
}

}  // namespace

TablePolicy::TablePolicy(const ObservationSpec& observation, int64_t num_states,
                         const EnvironmentSpec& spec, Parameters& parameters)
    : observation_(observation), num_states_(num_states), parameters_(parameters) {
  const int64_t forward = spec.num_forward_actions, backward = spec.num_backward_actions;
  forward_ = {parameters.Add("table.forward", {num_states, forward}), forward};
  backward_ = {parameters.Add("table.backward", {num_states, backward}), backward};
}

absl::StatusOr<std::unique_ptr<TablePolicy>> TablePolicy::Create(const Environment& environment,
                                                                 Parameters& parameters) {
  const EnvironmentSpec& spec = environment.spec();
  const ObservationSpec* observation = ChooseObservation(spec);
  if (environment.state_space() == nullptr || spec.action_value_width > 0 ||
      observation == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("policy table needs states that can be enumerated, discrete actions and "
                     "multi-hot, dense or token observations, and ",
                     spec.fingerprint, " has not all of them"));
  }
  std::unique_ptr<TablePolicy> policy(
      new TablePolicy(*observation, environment.state_space()->num_states(), spec, parameters));
  if (absl::Status status = policy->IndexStates(environment); !status.ok()) return status;
  return policy;
}

absl::Status TablePolicy::IndexStates(const Environment& environment) {
  states_.reserve(num_states_);
  ObservationBatch observations(observation_);
  for (int64_t begin = 0; begin < num_states_; begin += kChunk) {
    const int64_t end = std::min(num_states_, begin + kChunk);
    observations.Clear();
    environment.AppendObservations(*environment.state_space()->States(begin, end), observations);
    for (int64_t s = begin; s < end; ++s) {
      const auto [at, fresh] = states_.emplace(RowBytes(observations, s - begin), s);
      if (!fresh) {
        return absl::FailedPreconditionError(
            absl::StrCat("states ", at->second, " and ", s, " of ", environment.spec().fingerprint,
                         " have the same observation; policy table can't tell them apart"));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status TablePolicy::Load(std::span<const double> log_forward,
                               std::span<const double> log_backward) {
  absl::Status status = CheckLogs("log_forward", log_forward, num_states_ * forward_.actions);
  if (status.ok()) {
    status = CheckLogs("log_backward", log_backward, num_states_ * backward_.actions);
  }
  if (!status.ok()) return status;
  CopyLogits(log_forward, parameters_.Data(forward_.segment));
  CopyLogits(log_backward, parameters_.Data(backward_.segment));
  return absl::OkStatus();
}

absl::Status TablePolicy::FindStates(const ObservationBatch& observations,
                                     std::vector<int64_t>& out) const {
  out.resize(observations.rows);
  for (int64_t r = 0; r < observations.rows; ++r) {
    const auto found = states_.find(RowBytes(observations, r));
    if (found == states_.end()) {
      return absl::NotFoundError(absl::StrCat("observation ", r, " is of no state of the table"));
    }
    out[r] = found->second;
  }
  return absl::OkStatus();
}

void TablePolicy::Sample(const Table& table, const PolicyInput& input,
                         const Exploration& exploration, RandomStream& random,
                         SampledActions& out) {
  const absl::Status status = FindStates(input.observations, found_);
  TORCH_CHECK(status.ok(), status.ToString());
  out.ids.resize(found_.size());
  out.log_prob.resize(found_.size());
  out.values.clear();
  const float* logits = parameters_.Data(table.segment);
  for (size_t r = 0; r < found_.size(); ++r) {
    out.ids[r] =
        SampleLegal(input.mask, static_cast<int64_t>(r), logits + found_[r] * table.actions,
                    exploration, random, weights_, &out.log_prob[r]);
  }
}

void TablePolicy::SampleForward(const PolicyInput& input, const Exploration& exploration,
                                RandomStream& random, SampledActions& out) {
  Sample(forward_, input, exploration, random, out);
}

void TablePolicy::SampleBackward(const PolicyInput& input, RandomStream& random,
                                 SampledActions& out) {
  Sample(backward_, input, Exploration{}, random, out);
}

RowLogProbs TablePolicy::LogProb(const StateRows& rows) {
  const absl::Status status = FindStates(rows.observations, found_);
  TORCH_CHECK(status.ok(), status.ToString());
  const at::Tensor states = at::tensor(found_, at::kLong);
  auto log_prob = [&](const Table& table, const ActionMask& mask,
                      const std::vector<int32_t>& actions) {
    return TakenLogProb(parameters_.Leaf(table.segment).index_select(0, states), mask, actions);
  };
  return {log_prob(forward_, rows.forward_mask, rows.forward_actions),
          log_prob(backward_, rows.backward_mask, rows.backward_actions),
          {}};
}

absl::Status TablePolicy::AllLog(const Table& table, const PolicyInput& input,
                                 std::vector<float>& out) {
  if (absl::Status status = FindStates(input.observations, found_); !status.ok()) return status;
  out.resize(found_.size() * table.actions);
  const float* logits = parameters_.Data(table.segment);
  for (size_t r = 0; r < found_.size(); ++r) {
    LogSoftmaxLegal(input.mask, static_cast<int64_t>(r), logits + found_[r] * table.actions,
                    out.data() + r * table.actions);
  }
  return absl::OkStatus();
}

absl::Status TablePolicy::AllLogForward(const PolicyInput& input, std::vector<float>& out) {
  return AllLog(forward_, input, out);
}

absl::Status TablePolicy::AllLogBackward(const PolicyInput& input, std::vector<float>& out) {
  return AllLog(backward_, input, out);
}

}  // namespace anabranch
