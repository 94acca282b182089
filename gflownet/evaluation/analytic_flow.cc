#include "gflownet/evaluation/analytic_flow.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gflownet/evaluation/metrics.h"

namespace anabranch {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kRowTolerance = 1e-4;

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

absl::Status CheckRewards(const TransitionTable& table, std::span<const double> log_rewards) {
  absl::Status status = CheckLogs("log_rewards", log_rewards, table.num_states);
  for (int64_t s = 0; status.ok() && s < table.num_states; ++s) {
    if (!table.terminal[s] && log_rewards[s] != -kInfinity) {
      status = absl::InvalidArgumentError(absl::StrCat("log_rewards[", s, "] is ", log_rewards[s],
                                                       "; stop is illegal there, give -inf"));
    }
  }
  return status;
}

// visit(parent · actions + action, child · backward actions + backward action) for every edge.
template <typename Visit>
void ForEachEdge(const TransitionTable& table, Visit visit) {
  for (size_t entry = 0; entry < table.children.size(); ++entry) {
    const int64_t child = table.children[entry];
    if (child < 0) continue;
    visit(entry, child * table.num_backward_actions + table.backward_actions[entry]);
  }
}

std::vector<double> UniformBackward(const TransitionTable& table) {
  std::vector<double> log_backward(table.num_states * table.num_backward_actions, -kInfinity);
  ForEachEdge(table, [&](size_t entry, int64_t backward) {
    log_backward[backward] =
        -std::log(static_cast<double>(table.num_parents[table.children[entry]]));
  });
  return log_backward;
}

absl::Status CheckBackward(const TransitionTable& table, std::span<const double> log_backward) {
  const int64_t width = table.num_backward_actions;
  absl::Status status = CheckLogs("log_backward", log_backward, table.num_states * width);
  if (!status.ok()) return status;
  std::vector<double> sums(table.num_states, 0.0);
  double mass = 0.0, on_edges = 0.0;
  for (const double value : log_backward) mass += std::exp(value);
  ForEachEdge(table, [&](size_t entry, int64_t backward) {
    const double p = std::exp(log_backward[backward]);
    sums[table.children[entry]] += p;
    on_edges += p;
  });
  for (int64_t s = 0; s < table.num_states; ++s) {
    if (table.num_parents[s] > 0 && !(std::abs(sums[s] - 1.0) <= kRowTolerance)) {
      return absl::InvalidArgumentError(absl::StrCat("log_backward of state ", s, " sums to ",
                                                     sums[s], " over its parents; it must be 1"));
    }
  }
  if (mass - on_edges > kRowTolerance) {
    return absl::InvalidArgumentError(
        absl::StrCat("log_backward gives ", mass - on_edges, " to illegal actions; give -inf"));
  }
  return absl::OkStatus();
}

// The terms of F(s), one for each action, and their sum; both in log space.
double Outflow(const TransitionTable& table, std::span<const double> log_rewards,
               const AnalyticFlow& flow, int64_t state, std::vector<double>& terms) {
  const int64_t first = state * table.num_forward_actions;
  for (int64_t a = 0; a < table.num_forward_actions; ++a) {
    const int64_t child = table.children[first + a];
    terms[a] = -kInfinity;
    if (child >= 0) {
      const int64_t backward =
          child * table.num_backward_actions + table.backward_actions[first + a];
      terms[a] = flow.log_flow[child] + flow.log_backward[backward];
    }
  }
  terms[table.stop_action] = log_rewards[state];
  return LogSumExp(terms);
}

void UniformRow(const TransitionTable& table, int64_t state, std::span<double> row) {
  const int64_t first = state * table.num_forward_actions;
  int64_t legal = table.terminal[state];
  for (size_t a = 0; a < row.size(); ++a) legal += table.children[first + a] >= 0;
  for (size_t a = 0; a < row.size(); ++a) {
    const bool stops = static_cast<int32_t>(a) == table.stop_action && table.terminal[state];
    const bool counts = stops || table.children[first + a] >= 0;
    row[a] = counts ? -std::log(static_cast<double>(legal)) : -kInfinity;
  }
}

}  // namespace

absl::StatusOr<AnalyticFlow> SolveFlow(const TransitionTable& table,
                                       std::span<const double> log_rewards,
                                       std::span<const double> log_backward) {
  if (absl::Status status = CheckRewards(table, log_rewards); !status.ok()) return status;
  AnalyticFlow flow;
  if (log_backward.empty()) {
    flow.log_backward = UniformBackward(table);
  } else {
    if (absl::Status status = CheckBackward(table, log_backward); !status.ok()) return status;
    flow.log_backward.assign(log_backward.begin(), log_backward.end());
  }
  const int64_t actions = table.num_forward_actions;
  flow.log_flow.assign(table.num_states, -kInfinity);
  flow.log_forward.assign(table.num_states * actions, -kInfinity);
  std::vector<double> terms(actions);
  for (int64_t s = table.num_states - 1; s >= 0; --s) {
    flow.log_flow[s] = Outflow(table, log_rewards, flow, s, terms);
    const std::span<double> row(flow.log_forward.data() + s * actions, actions);
    if (flow.log_flow[s] == -kInfinity) {
      UniformRow(table, s, row);
      continue;
    }
    for (int64_t a = 0; a < actions; ++a) row[a] = terms[a] - flow.log_flow[s];
  }
  return flow;
}

}  // namespace anabranch
