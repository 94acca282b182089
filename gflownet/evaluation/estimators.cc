#include "gflownet/evaluation/estimators.h"

#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gflownet/evaluation/metrics.h"
#include "gflownet/rollout/rollout.h"
#include "gflownet/trajectory/state_rows.h"

namespace anabranch {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

absl::Status CheckSamples(int64_t samples) {
  if (samples >= 1) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("samples is ", samples, "; give at least 1"));
}

absl::Status CheckLogs(absl::string_view name, std::span<const double> values, size_t expected) {
  if (values.size() != expected) {
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

Estimate MeanOf(std::span<const double> samples) {
  const auto n = static_cast<double>(samples.size());
  double sum = 0;
  for (const double sample : samples) sum += sample;
  Estimate estimate{sum / n, kInfinity};
  if (samples.size() < 2 || !std::isfinite(estimate.value)) return estimate;
  double squares = 0;
  for (const double sample : samples) {
    squares += (sample - estimate.value) * (sample - estimate.value);
  }
  estimate.standard_error = std::sqrt(squares / (n - 1) / n);
  return estimate;
}

// log mean exp, with the standard error of the logarithm.
Estimate LogMeanExp(std::span<const double> logs) {
  const auto n = static_cast<double>(logs.size());
  const double log_sum = LogSumExp(logs);
  if (log_sum == -kInfinity) return {log_sum, kInfinity};
  std::vector<double> weights;  // Relative to their mean.
  for (const double value : logs) weights.push_back(std::exp(value - log_sum) * n);
  return {log_sum - std::log(n), MeanOf(weights).standard_error};
}

// Which of the objects to draw, by the inverse of the cumulative distribution.
std::vector<int64_t> Draw(std::span<const double> log_weights, size_t num_objects, int64_t samples,
                          RandomStream& random) {
  std::vector<int64_t> chosen(samples);
  if (log_weights.empty()) {
    for (int64_t& index : chosen) index = static_cast<int64_t>(random.NextBelow(num_objects));
    return chosen;
  }
  const double log_sum = LogSumExp(log_weights);
  std::vector<double> cumulative;
  double sum = 0;
  int64_t last = 0;  // With positive weight: rounding may let the sum fall short of a draw.
  for (size_t i = 0; i < log_weights.size(); ++i) {
    const double weight = std::exp(log_weights[i] - log_sum);
    if (weight > 0) last = static_cast<int64_t>(i);
    cumulative.push_back(sum += weight);
  }
  for (int64_t& index : chosen) {
    const auto above =
        std::upper_bound(cumulative.begin(), cumulative.end(), random.NextUniformDouble());
    index = std::min<int64_t>(above - cumulative.begin(), last);
  }
  return chosen;
}

}  // namespace

absl::Status EstimatorOptions::Validate() const {
  if (max_rows >= 1) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("estimator max_rows is ", max_rows, "; give at least 1"));
}

Estimator::Estimator(const Environment& environment, Policy& policy, EstimatorOptions options)
    : environment_(&environment), policy_(&policy), options_(std::move(options)) {}

absl::StatusOr<Estimator> Estimator::Create(const Environment& environment, Policy& policy,
                                            EstimatorOptions options) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  return Estimator(environment, policy, std::move(options));
}

int64_t Estimator::ChunkTrajectories() const {
  return std::max<int64_t>(1, options_.max_rows / environment_->spec().max_trajectory_length);
}

void Estimator::Report(int64_t done, int64_t total) const {
  if (options_.progress) options_.progress(done, total);
}

absl::StatusOr<std::vector<double>> Estimator::LogRatios(const Trajectories& trajectories) const {
  StateRows rows(policy_->observation());
  absl::Status status = BuildStateRows(*environment_, trajectories, rows);
  if (!status.ok()) return status;
  at::NoGradGuard no_grad;
  const RowLogProbs log_probs = policy_->LogProb(rows);
  const at::Tensor log_pf = log_probs.log_pf.to(at::kCPU, at::kDouble).contiguous();
  const at::Tensor log_pb = log_probs.log_pb.to(at::kCPU, at::kDouble).contiguous();
  const double* pf = log_pf.const_data_ptr<double>();
  const double* pb = log_pb.const_data_ptr<double>();
  std::vector<double> ratios(rows.num_trajectories, 0.0);
  for (int64_t r = 0; r < rows.rows; ++r) {
    // A NaN would end up as log p̂ = −∞, which reads like an answer.
    if (std::isnan(pf[r] - pb[r])) {
      return absl::InternalError(absl::StrCat(
          "the policy gives log P_F ", pf[r], " and log P_B ", pb[r], " at step ", rows.step[r],
          " of trajectory ", rows.trajectory[r], " to object '",
          trajectories.objects[rows.trajectory[r]], "'; it has diverged or is broken"));
    }
    ratios[rows.trajectory[r]] += pf[r] - pb[r];
  }
  return ratios;
}

absl::StatusOr<std::vector<double>> Estimator::BackwardLogRatios(
    std::span<const std::string> objects, std::span<const int64_t> chosen,
    RandomStream& random) const {
  Rollout rollout(*environment_, *policy_);
  const auto total = static_cast<int64_t>(chosen.size());
  std::vector<double> ratios;
  std::vector<std::string> from;
  Trajectories trajectories;
  for (int64_t begin = 0; begin < total; begin += ChunkTrajectories()) {
    const int64_t end = std::min(total, begin + ChunkTrajectories());
    from.clear();
    for (int64_t i = begin; i < end; ++i) from.push_back(objects[chosen[i]]);
    absl::Status status = rollout.Backward(from, random, trajectories);
    if (!status.ok()) return status;
    auto chunk = LogRatios(trajectories);
    if (!chunk.ok()) return chunk.status();
    ratios.insert(ratios.end(), chunk->begin(), chunk->end());
    Report(end, total);
  }
  return ratios;
}

absl::StatusOr<std::vector<Estimate>> Estimator::LogProbabilities(
    std::span<const std::string> objects, int64_t samples, RandomStream& random) {
  if (absl::Status status = CheckSamples(samples); !status.ok()) return status;
  // All are read once first: an error then names the index that the caller knows.
  if (auto states = environment_->FromObjects(objects); !states.ok()) return states.status();
  std::vector<int64_t> chosen;
  for (size_t i = 0; i < objects.size(); ++i) {
    chosen.insert(chosen.end(), samples, static_cast<int64_t>(i));
  }
  auto ratios = BackwardLogRatios(objects, chosen, random);
  if (!ratios.ok()) return ratios.status();
  std::vector<Estimate> estimates;
  for (size_t i = 0; i < objects.size(); ++i) {
    estimates.push_back(
        LogMeanExp(std::span(*ratios).subspan(i * samples, static_cast<size_t>(samples))));
  }
  return estimates;
}

absl::StatusOr<Estimate> Estimator::Elbo(const LogRewards& log_rewards, int64_t samples,
                                         RandomStream& random) {
  if (absl::Status status = CheckSamples(samples); !status.ok()) return status;
  Rollout rollout(*environment_, *policy_);
  RolloutOptions options;
  std::vector<double> bounds;
  Trajectories trajectories;
  for (int64_t begin = 0; begin < samples; begin += ChunkTrajectories()) {
    options.trajectories = std::min(samples - begin, ChunkTrajectories());
    absl::Status status = rollout.Forward(options, random, trajectories);
    if (!status.ok()) return status;
    auto rewards = log_rewards(trajectories.objects);
    if (!rewards.ok()) return rewards.status();
    status = CheckLogs("log_rewards", *rewards, trajectories.objects.size());
    if (!status.ok()) return status;
    auto ratios = LogRatios(trajectories);
    if (!ratios.ok()) return ratios.status();
    for (size_t i = 0; i < rewards->size(); ++i) bounds.push_back((*rewards)[i] - (*ratios)[i]);
    Report(begin + options.trajectories, samples);
  }
  return MeanOf(bounds);
}

absl::StatusOr<Estimate> Estimator::Eubo(std::span<const std::string> objects,
                                         std::span<const double> log_rewards,
                                         std::span<const double> log_weights, int64_t samples,
                                         RandomStream& random) {
  absl::Status status = CheckSamples(samples);
  if (status.ok()) status = CheckLogs("log_rewards", log_rewards, objects.size());
  if (status.ok() && !log_weights.empty()) {
    status = CheckLogs("log_weights", log_weights, objects.size());
  }
  if (!status.ok()) return status;
  if (objects.empty() || (!log_weights.empty() && LogSumExp(log_weights) == -kInfinity)) {
    return absl::InvalidArgumentError(
        absl::StrCat("none of ", objects.size(), " objects has a positive weight"));
  }
  const std::vector<int64_t> chosen = Draw(log_weights, objects.size(), samples, random);
  auto ratios = BackwardLogRatios(objects, chosen, random);
  if (!ratios.ok()) return ratios.status();
  std::vector<double> bounds;
  for (size_t i = 0; i < chosen.size(); ++i) {
    bounds.push_back(log_rewards[chosen[i]] - (*ratios)[i]);
  }
  return MeanOf(bounds);
}

}  // namespace anabranch
