#include "gflownet/evaluation/exact_distribution.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace anabranch {
namespace {

constexpr int64_t kChunkRows = 4096;
constexpr double kRowTolerance = 1e-3;
constexpr double kMassTolerance = 1e-6;

}  // namespace

struct ExactEvaluator::Chunk {
  int64_t begin;
  ObservationBatch observations;
  ActionMask mask;
};

ExactEvaluator::ExactEvaluator(const Environment& environment, TransitionTable transitions)
    : environment_(environment), transitions_(std::move(transitions)) {}

ExactEvaluator::~ExactEvaluator() = default;

absl::StatusOr<std::unique_ptr<ExactEvaluator>> ExactEvaluator::Create(
    const Environment& environment, const ObservationSpec& observation) {
  auto found = environment.FindObservation(observation.kind);
  if (!found.ok()) return found.status();
  auto table = BuildTransitionTable(environment);
  if (!table.ok()) return table.status();
  std::unique_ptr<ExactEvaluator> evaluator(new ExactEvaluator(environment, *std::move(table)));
  const int64_t n = evaluator->num_states();
  for (int64_t begin = 0; begin < n; begin += kChunkRows) {
    auto states = environment.state_space()->States(begin, std::min(n, begin + kChunkRows));
    Chunk chunk{begin, ObservationBatch(observation),
                ActionMask(environment.spec().num_forward_actions)};
    environment.AppendObservations(*states, chunk.observations);
    environment.AppendForwardMask(*states, chunk.mask);
    evaluator->chunks_.push_back(std::move(chunk));
  }
  return evaluator;
}

absl::StatusOr<std::vector<double>> ExactEvaluator::LogDistribution(
    Policy& policy, std::span<const float> condition) {
  const int64_t actions = transitions_.num_forward_actions;
  std::vector<double> mass(num_states(), 0.0);
  std::vector<double> log_terminal(num_states(), -std::numeric_limits<double>::infinity());
  mass[0] = 1.0;
  std::vector<float> log_forward, conditions;
  for (const Chunk& chunk : chunks_) {
    conditions.clear();
    for (int64_t r = 0; r < chunk.mask.rows && !condition.empty(); ++r) {
      conditions.insert(conditions.end(), condition.begin(), condition.end());
    }
    absl::Status status = policy.AllLogForward(
        {chunk.observations, chunk.mask, static_cast<int64_t>(condition.size()), conditions},
        log_forward);
    if (!status.ok()) return status;
    if (static_cast<int64_t>(log_forward.size()) != chunk.mask.rows * actions) {
      return absl::InternalError(absl::StrCat("the policy gave ", log_forward.size(),
                                              " log-probabilities for ", chunk.mask.rows,
                                              " states with ", actions, " actions"));
    }
    status = Push(chunk, log_forward, mass, log_terminal);
    if (!status.ok()) return status;
  }
  double total = 0.0;
  for (const double log_p : log_terminal) total += std::exp(log_p);
  if (!(std::abs(total - 1.0) <= kMassTolerance)) {
    return absl::InternalError(absl::StrCat("the probabilities of all terminal states of ",
                                            environment_.spec().fingerprint, " sum to ", total));
  }
  return log_terminal;
}

absl::Status ExactEvaluator::Push(const Chunk& chunk, std::span<const float> log_forward,
                                  std::span<double> mass, std::span<double> log_terminal) const {
  const int64_t actions = transitions_.num_forward_actions;
  std::vector<double> p(actions);
  for (int64_t r = 0; r < chunk.mask.rows; ++r) {
    const int64_t state = chunk.begin + r;
    const float* row = log_forward.data() + r * actions;
    double sum = 0.0;
    bool leaks = false;
    for (int64_t a = 0; a < actions; ++a) {
      p[a] = std::exp(static_cast<double>(row[a]));
      sum += p[a];
      leaks |= p[a] > 0 && !chunk.mask.IsLegal(r, static_cast<int32_t>(a));
    }
    if (leaks || !(std::abs(sum - 1.0) <= kRowTolerance)) {
      return absl::InternalError(absl::StrCat(
          "the policy's probabilities in state ", state, " of ", environment_.spec().fingerprint,
          leaks ? " include an illegal action" : absl::StrCat(" sum to ", sum)));
    }
    const int32_t stop = transitions_.stop_action;
    log_terminal[state] = std::log(mass[state]) + static_cast<double>(row[stop]) - std::log(sum);
    const double scale = mass[state] / sum;
    const int32_t* children = transitions_.children.data() + state * actions;
    for (int64_t a = 0; a < actions; ++a) {
      if (children[a] >= 0) mass[children[a]] += scale * p[a];
    }
  }
  return absl::OkStatus();
}

const std::vector<std::string>& ExactEvaluator::objects() {
  if (objects_.empty()) objects_ = TerminalObjects(environment_, transitions_);
  return objects_;
}

}  // namespace anabranch
