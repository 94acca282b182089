// Between the columns of an answer and the results of single objects.
#ifndef ANABRANCH_REWARD_CACHE_RESULT_COLUMNS_H_
#define ANABRANCH_REWARD_CACHE_RESULT_COLUMNS_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "anabranch/v1/reward.pb.h"
#include "reward/cache/result_store.h"

namespace anabranch {

using ResultRows = std::vector<std::shared_ptr<const ObjectResult>>;

// An object to ask for again, by whom and when.
struct LaterResult {
  int position = 0;
  std::string ticket;
  uint64_t retry_after_millis = 0;
};

// Which column of an answer about n objects and m objectives has another length than it must have,
// and which; empty where none has.
std::string ColumnFault(const v1::EvaluateResponse& answer, int64_t n, int64_t m);

// UNAVAILABLE names a column that has another length than n objects and m objectives want.
absl::Status CheckColumns(const v1::EvaluateResponse& answer, int64_t n, int64_t m);

// The n objects of an answer, values in the order of `objective_set`. The answer's columns are what
// it names or, if it names none, `asked`. UNAVAILABLE names a column that has another length, and
// an objective that is missing.
absl::StatusOr<ResultRows> SplitAnswer(const v1::EvaluateResponse& answer, int n,
                                       std::span<const std::string> asked,
                                       std::span<const std::string> objective_set);

// The reverse, with the objectives `asked`, each of which is in `objective_set`. `fresh`, the
// oracle's answer about the objects at `missing`, gives the fingerprint, the budget, and of these
// objects what no cache keeps: tickets, times, costs. `later` says that of others. All others are
// from the cache. Standard errors are given where they are known of all objects that are OK.
v1::EvaluateResponse JoinAnswer(const std::string& request_id, std::span<const std::string> asked,
                                std::span<const std::string> objective_set, const ResultRows& rows,
                                std::span<const int> missing, std::span<const LaterResult> later,
                                v1::EvaluateResponse fresh);

// An answer about the objects at `positions` (ascending) as one about n objects, m objectives; the
// others get `status` and `reason`.
v1::EvaluateResponse WidenAnswer(const v1::EvaluateResponse& answer, std::span<const int> positions,
                                 int n, v1::ObjectStatus status, const std::string& reason);

// A request for the objects at `positions` only, under an id of its own: the same for the same
// positions and `salt`.
v1::EvaluateRequest NarrowRequest(const v1::EvaluateRequest& request,
                                  std::span<const int> positions, absl::string_view salt);

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_CACHE_RESULT_COLUMNS_H_
