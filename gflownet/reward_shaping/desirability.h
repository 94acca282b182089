// From one raw objective value to what enters the scalarisation.
#ifndef ANABRANCH_GFLOWNET_REWARD_SHAPING_DESIRABILITY_H_
#define ANABRANCH_GFLOWNET_REWARD_SHAPING_DESIRABILITY_H_

#include <limits>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace anabranch {

// 0 up to `from`, 1 from `to` on, straight in between; or the mirror image where from > to.
struct MinMaxDesirability {
  double from = 0;
  double to = 1;
};

// 1 / (1 + exp(-slope (v - midpoint))).
struct SigmoidDesirability {
  double midpoint = 0;
  double slope = 1;
};

// exp(-(v - target)² / (2 width²)). (Derringer and Suich 1980 have other shapes for the same idea.)
struct GaussianDesirability {
  double target = 0;
  double width = 1;
};

struct ValueTransform {
  double clip_min = -std::numeric_limits<double>::infinity();
  double clip_max = std::numeric_limits<double>::infinity();
  // std::monostate leaves the clipped value as it is.
  std::variant<std::monostate, MinMaxDesirability, SigmoidDesirability, GaussianDesirability>
      desirability;

  bool is_desirability() const { return desirability.index() != 0; }
  // INVALID_ARGUMENT names `key` and what is wrong below it.
  absl::Status Validate(absl::string_view key) const;
  // Finite for a finite value; between 0 and 1 where it is a desirability.
  double Apply(double value) const;
  // Empty for a transform that changes nothing; equal texts are equal functions.
  std::string CanonicalText() const;
};

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_REWARD_SHAPING_DESIRABILITY_H_
