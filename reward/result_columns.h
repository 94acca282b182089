// Between the columns of an answer and the results of single objects.
#ifndef ANABRANCH_REWARD_RESULT_COLUMNS_H_
#define ANABRANCH_REWARD_RESULT_COLUMNS_H_

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "anabranch/v1/reward.pb.h"
#include "reward/result_store.h"

namespace anabranch {

using ResultRows = std::vector<std::shared_ptr<const ObjectResult>>;

// The n objects of an answer, values in the order of `objective_set`. The answer's columns are what
// it names or, if it names none, `asked`. UNAVAILABLE names a column that has another length, and
// an objective that is missing.
absl::StatusOr<ResultRows> SplitAnswer(const v1::EvaluateResponse& answer, int n,
                                       std::span<const std::string> asked,
                                       std::span<const std::string> objective_set);

// The reverse, with the objectives `asked`, each of which is in `objective_set`. `fresh`, the
// oracle's answer about the objects at `missing`, gives the fingerprint, the budget, and of these
// objects what no cache keeps: tickets, times, costs, counts. All others are from the cache.
v1::EvaluateResponse JoinAnswer(const std::string& request_id, std::span<const std::string> asked,
                                std::span<const std::string> objective_set, const ResultRows& rows,
                                std::span<const int> missing, v1::EvaluateResponse fresh);

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_RESULT_COLUMNS_H_
