// Values out of JSON that somebody else wrote.
#ifndef ANABRANCH_REWARD_ADAPTERS_JSON_ANSWER_H_
#define ANABRANCH_REWARD_ADAPTERS_JSON_ANSWER_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "reward/adapters/value_source.h"

namespace anabranch {

// Largest answer that is read, in bytes.
inline constexpr size_t kMaxAnswerBytes = size_t{64} << 20;

// One JSON document, which may hold NaN, Infinity and -Infinity as Python writes them: they become
// these strings. MalformedAnswer, with the beginning of the text, where it is none, or where it is
// nested deeper than any answer.
absl::StatusOr<nlohmann::json> ParseAnswer(absl::string_view text);

// The columns `objectives` of {"qed": [0.4, null], ...}, n values each. A value that is no number
// makes its object FAILED. MalformedAnswer names an objective that isn't there, and what is, and
// both counts where they differ.
absl::StatusOr<ScoredObjects> ReadColumns(const nlohmann::json& values, size_t n,
                                          const std::vector<std::string>& objectives);
// The same of [{"qed": 0.4, ...}, ...], one entry an object. An objective that is missing from some
// entries has no value there.
absl::StatusOr<ScoredObjects> ReadRows(const nlohmann::json& rows, size_t n,
                                       const std::vector<std::string>& objectives);
// What the answer says of single objects: "status" (ok, invalid, failed, retryable, infeasible) and
// "reasons", each a list of n strings or nulls; either may be missing.
absl::Status ReadStatuses(const nlohmann::json& answer, size_t n, ScoredObjects& scored);

// JSON text of strings that are UTF-8.
std::string WriteJson(const nlohmann::json& document);

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_ADAPTERS_JSON_ANSWER_H_
