// Distances between two distributions over the same states, and sums over one.
#ifndef ANABRANCH_GFLOWNET_EVALUATION_METRICS_H_
#define ANABRANCH_GFLOWNET_EVALUATION_METRICS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

namespace anabranch {

// All in nats where there is a logarithm.
struct DistributionDistances {
  double total_variation = 0;  // ½ Σ |p − q|, in [0, 1].
  double sum_l1 = 0;           // Σ |p − q|: what papers often plot.
  double jensen_shannon = 0;   // In [0, log 2].
  double kl_pq = 0;            // KL(p ‖ q); +∞ where p has mass and q has none.
  double kl_qp = 0;            // KL(q ‖ p)
};

// `log_p` and `log_q` are log-probabilities of the same states in the same order; −∞ is probability
// 0. INVALID_ARGUMENT for different lengths, for none, for a NaN or +∞ (naming its index), and for
// a sum that is off 1 by more than 1e-4.
absl::StatusOr<DistributionDistances> CompareDistributions(std::span<const double> log_p,
                                                           std::span<const double> log_q);

// log Σ exp(values), stable; −∞ for none, NaN where one of them is. Of log-rewards of all terminal
// states it is log Z.
double LogSumExp(std::span<const double> values);

// log p*(x) = log R(x) − log Z. `log_rewards` has −∞ for states that are no objects.
// INVALID_ARGUMENT naming the index of a NaN or +∞, or where no reward is positive.
absl::StatusOr<std::vector<double>> TargetDistribution(std::span<const double> log_rewards);

// E_p[R] = Σ p(x) R(x). Errors as for CompareDistributions.
absl::StatusOr<double> ExpectedReward(std::span<const double> log_p,
                                      std::span<const double> log_rewards);

// The mean of the k largest values, or of all where they are fewer. INVALID_ARGUMENT for k < 1, for
// no values, and for a NaN (naming its index).
absl::StatusOr<double> TopKMean(std::span<const double> values, int64_t k);

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_EVALUATION_METRICS_H_
