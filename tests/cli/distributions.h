// Distributions to draw.
#ifndef ANABRANCH_TESTS_CLI_DISTRIBUTIONS_H_
#define ANABRANCH_TESTS_CLI_DISTRIBUTIONS_H_

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/distribution.h"

namespace anabranch {

// States 0, 1, …, named "x0", "x1", …; rewards are 10 times the true probabilities.
inline Distribution MakeDistribution(const std::vector<double>& learned,
                                     const std::vector<double>& truth) {
  Distribution d;
  for (size_t i = 0; i < learned.size(); ++i) {
    d.states.push_back(static_cast<int64_t>(i));
    d.objects.push_back(absl::StrCat("x", i));
    d.log_learned.push_back(std::log(learned[i]));
    d.log_true.push_back(std::log(truth[i]));
    d.log_rewards.push_back(std::log(10 * truth[i]));
  }
  return d;
}

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_CLI_DISTRIBUTIONS_H_
