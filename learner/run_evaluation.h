// How good a run is by now.
#ifndef ANABRANCH_LEARNER_RUN_EVALUATION_H_
#define ANABRANCH_LEARNER_RUN_EVALUATION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "anabranch/v1/config.pb.h"
#include "gflownet/evaluation/estimators.h"
#include "gflownet/evaluation/exact_distribution.h"
#include "gflownet/evaluation/metrics.h"
#include "gflownet/policy/policy.h"
#include "learner/mode_counter.h"
#include "nlohmann/json.hpp"
#include "runtime/channels.h"
#include "runtime/components/run_components.h"

namespace anabranch {

struct RunEvaluation {
  // Where the environment can be enumerated: the learned distribution against the true one.
  std::optional<DistributionDistances> exact;
  std::optional<double> log_z_error;  // |log Z − log Z*|, nats.
  // Elsewhere, where there is a built-in reward: a lower bound of log Z from trajectories of the
  // policy's own, tight for a perfect one.
  std::optional<Estimate> elbo;
  // Of all objects that training has come across.
  int64_t modes_found = 0;
  int64_t modes = 0;  // 0 where the reward defines none.
  uint64_t unique_objects = 0;
  int64_t top_k = 0;  // Objects in the means: fewer than asked for while there are fewer.
  double top_k_mean_log_reward = 0;
  double top_k_mean_reward = 0;  // Shaped, exponent included.

  // Adds its fields to a line of metrics; those that are not known are left out.
  void AddTo(nlohmann::ordered_json& line) const;
};

// Enumerates once, then evaluates any number of times. Not thread-safe; blocks for as long as it
// computes. Components, modes and replay outlive it.
class RunEvaluator {
 public:
  // FAILED_PRECONDITION for evaluation.exact: always where the environment can't be enumerated or
  // no built-in reward says what the true distribution is. Without one nothing is sampled either:
  // fresh objects would cost calls of the oracles.
  static absl::StatusOr<std::unique_ptr<RunEvaluator>> Create(const RunComponents& components,
                                                              const v1::RunConfig& config,
                                                              const ObservationSpec& observation,
                                                              const ModeCounter& modes,
                                                              ReplayClient& replay,
                                                              const v1::Handshake& handshake);

  // `step` chooses the random numbers of sampled metrics, so that they depend on nothing else.
  absl::StatusOr<RunEvaluation> Evaluate(Policy& policy, double log_z, int64_t step);

 private:
  RunEvaluator(const RunComponents& components, const v1::RunConfig& config,
               const ModeCounter& modes, ReplayClient& replay, const v1::Handshake& handshake)
      : components_(components),
        config_(config.evaluation()),
        seed_(config.seed()),
        modes_(modes),
        replay_(replay),
        handshake_(handshake) {}

  absl::Status PrepareExact(const ObservationSpec& observation);
  absl::Status EvaluateExactly(Policy& policy, double log_z, RunEvaluation& result);
  absl::Status EvaluateBySampling(Policy& policy, int64_t step, RunEvaluation& result);
  absl::Status EvaluateObjects(RunEvaluation& result);
  // Log-rewards of objects, −∞ where reward shaping leaves them out.
  absl::StatusOr<std::vector<double>> LogRewardsOf(std::span<const std::string> objects) const;

  const RunComponents& components_;
  const v1::EvaluationConfig config_;
  const uint64_t seed_;
  const ModeCounter& modes_;
  ReplayClient& replay_;
  const v1::Handshake handshake_;
  std::unique_ptr<ExactEvaluator> exact_;  // Null where not wanted or not possible.
  std::vector<double> log_target_;
  double true_log_z_ = 0;
};

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_RUN_EVALUATION_H_
