#include "reward/cache/result_mean.h"

#include <cmath>
#include <cstddef>

namespace anabranch {
namespace {

// Where deviations are not known.
constexpr double kUnknown = -1;

double StandardError(uint32_t evaluations, double squared_deviations) {
  const double n = evaluations;
  return std::sqrt(squared_deviations / (n * (n - 1)));
}

// Empty unless every value that counts has one.
void FillStandardErrors(ObjectResult& result) {
  for (size_t j = 0; j < result.values.size(); ++j) {
    if (result.value_evaluations[j] == 0) {
      result.standard_errors.push_back(0);
    } else if (result.value_evaluations[j] > 1 && result.squared_deviations[j] >= 0) {
      result.standard_errors.push_back(
          StandardError(result.value_evaluations[j], result.squared_deviations[j]));
    } else {
      result.standard_errors.clear();
      return;
    }
  }
}

}  // namespace

void MakeMean(uint32_t evaluations, ObjectResult& result) {
  result.evaluations = evaluations;
  for (size_t j = 0; j < result.values.size(); ++j) {
    const double n = evaluations;
    double squared_deviations = evaluations == 1 ? 0 : kUnknown;
    if (evaluations > 1 && !result.standard_errors.empty()) {
      squared_deviations = result.standard_errors[j] * result.standard_errors[j] * n * (n - 1);
    }
    result.value_evaluations.push_back(result.valid[j] != 0 ? evaluations : 0);
    result.squared_deviations.push_back(result.valid[j] != 0 ? squared_deviations : 0);
  }
}

ObjectResult MergeMeans(const ObjectResult& a, const ObjectResult& b) {
  ObjectResult out;
  out.status = b.status;
  out.reason = b.reason;
  out.evaluations = a.evaluations + b.evaluations;
  for (size_t j = 0; j < b.values.size(); ++j) {
    const double na = a.value_evaluations[j], nb = b.value_evaluations[j];
    const double share = na + nb > 0 ? nb / (na + nb) : 0;
    const double apart = na > 0 && nb > 0 ? b.values[j] - a.values[j] : 0;
    const bool known = a.squared_deviations[j] >= 0 && b.squared_deviations[j] >= 0;
    out.values.push_back(na > 0 ? a.values[j] + apart * share : b.values[j]);
    out.valid.push_back(na + nb > 0 ? 1 : 0);
    out.value_evaluations.push_back(a.value_evaluations[j] + b.value_evaluations[j]);
    out.squared_deviations.push_back(known ? a.squared_deviations[j] + b.squared_deviations[j] +
                                                 apart * apart * na * share
                                           : kUnknown);
  }
  FillStandardErrors(out);
  return out;
}

}  // namespace anabranch
