// How well the learned log-probabilities follow the log-rewards.
#ifndef ANABRANCH_GFLOWNET_EVALUATION_CORRELATION_H_
#define ANABRANCH_GFLOWNET_EVALUATION_CORRELATION_H_

#include <span>

#include "absl/status/statusor.h"

namespace anabranch {

// A correlation coefficient with its 95 % confidence interval by Fisher's z transformation. The
// interval takes the pairs to be independent. A coefficient of ±1 has an interval of one point.
struct Correlation {
  double coefficient = 0;
  double low = 0;
  double high = 0;
};

// Of log p̂(x) with log R(x), a perfect policy's is 1. INVALID_ARGUMENT for different lengths, fewer
// than 4 pairs, a value that is not finite (naming its index), and a column that is constant.
absl::StatusOr<Correlation> Pearson(std::span<const double> x, std::span<const double> y);

// Pearson's of the ranks, ties sharing their mean rank; the interval widened by 1 + ρ²/2 as ranks
// want it (Bonett and Wright, Psychometrika 65, 2000). Errors as above.
absl::StatusOr<Correlation> Spearman(std::span<const double> x, std::span<const double> y);

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_EVALUATION_CORRELATION_H_
