// What can be said of a policy by sampling, where its states are too many to enumerate.
#ifndef ANABRANCH_GFLOWNET_EVALUATION_ESTIMATORS_H_
#define ANABRANCH_GFLOWNET_EVALUATION_ESTIMATORS_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gflownet/environment/environment.h"
#include "gflownet/policy/policy.h"
#include "gflownet/random.h"

namespace anabranch {

// log R of objects, −∞ for reward 0.
using LogRewards =
    std::function<absl::StatusOr<std::vector<double>>(std::span<const std::string> objects)>;

struct EstimatorOptions {
  // Trajectories are evaluated in chunks of at most so many states (and at least one trajectory):
  // what bounds the memory.
  int64_t max_rows = 16384;
  // Called after every chunk, with trajectories done and to do.
  std::function<void(int64_t done, int64_t total)> progress;

  absl::Status Validate() const;
};

struct Estimate {
  double value = 0;
  double standard_error = 0;  // +∞ where samples are not finite, or fewer than two.
};

// Estimates by trajectories. Environment and policy outlive it; one thread uses it at a time. All
// log-probabilities are the policy's own, never those of an exploring sampler. Discrete actions
// only. INTERNAL, naming step and object, where the policy gives a NaN.
class Estimator {
 public:
  // INVALID_ARGUMENT for bad options.
  static absl::StatusOr<Estimator> Create(const Environment& environment, Policy& policy,
                                          EstimatorOptions options = {});

  // log p̂(x) = log mean_k exp(Σ log P_F − Σ log P_B) over K = `samples` trajectories drawn backward
  // from each object: importance sampling of p(x), unbiased before the logarithm, below log p(x) on
  // average after it. The standard error is that of the logarithm, by the delta method.
  // INVALID_ARGUMENT for samples < 1 and for an object that can't be read, naming its index.
  absl::StatusOr<std::vector<Estimate>> LogProbabilities(std::span<const std::string> objects,
                                                         int64_t samples, RandomStream& random);

  // E_{τ ~ P_F}[log R + Σ log P_B − Σ log P_F] ≤ log Z, equal for a perfect policy.
  // INVALID_ARGUMENT for samples < 1 and for a log-reward that is NaN or +∞, naming its object.
  absl::StatusOr<Estimate> Elbo(const LogRewards& log_rewards, int64_t samples,
                                RandomStream& random);

  // E_{x ~ p*, τ ~ P_B(·|x)}[log R + Σ log P_B − Σ log P_F] ≥ log Z, equal for a perfect policy
  // (arXiv 2310.04363 and 2402.05098 for the bracket). Objects are drawn by `log_weights`,
  // normalised here: log-rewards of all objects where they can be enumerated; empty where the
  // objects are themselves samples of p*. INVALID_ARGUMENT, naming the index, for wrong lengths,
  // weights or rewards that are NaN or +∞, no positive weight, and an object that can't be read.
  absl::StatusOr<Estimate> Eubo(std::span<const std::string> objects,
                                std::span<const double> log_rewards,
                                std::span<const double> log_weights, int64_t samples,
                                RandomStream& random);

 private:
  Estimator(const Environment& environment, Policy& policy, EstimatorOptions options);

  int64_t ChunkTrajectories() const;
  void Report(int64_t done, int64_t total) const;
  // Σ log P_F − Σ log P_B of each trajectory.
  absl::StatusOr<std::vector<double>> LogRatios(const Trajectories& trajectories) const;
  // The same of trajectories drawn backward from objects[i], one for each i in `chosen`.
  absl::StatusOr<std::vector<double>> BackwardLogRatios(std::span<const std::string> objects,
                                                        std::span<const int64_t> chosen,
                                                        RandomStream& random) const;

  const Environment* environment_;
  Policy* policy_;
  EstimatorOptions options_;
};

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_EVALUATION_ESTIMATORS_H_
