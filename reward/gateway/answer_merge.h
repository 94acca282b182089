// Answers of several oracles about the same objects, put beside each other.
#ifndef ANABRANCH_REWARD_GATEWAY_ANSWER_MERGE_H_
#define ANABRANCH_REWARD_GATEWAY_ANSWER_MERGE_H_

#include <span>
#include <string>
#include <vector>

#include "anabranch/v1/reward.pb.h"

namespace anabranch {

// One oracle's part, as TidyAnswer left it.
struct AnswerPart {
  std::string oracle;  // Its name, for reasons.
  v1::EvaluateResponse answer;
};

// The answer to `request`, its value columns being `columns`, each of which is in one of the parts.
// An object's status is the one that says most about it: INVALID, FAILED, INFEASIBLE,
// BUDGET_EXHAUSTED, RETRYABLE, PENDING, and OK only where all say OK. Its reason is that of the
// oracle that decided, by name; retry_after the longest, the cost the sum; it comes from a cache
// where all of it does; evaluations counted are the fewest. Fingerprint is the caller's to set. At
// least one part.
v1::EvaluateResponse MergeAnswers(const v1::EvaluateRequest& request,
                                  std::span<const std::string> columns,
                                  std::span<const AnswerPart> parts);

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_GATEWAY_ANSWER_MERGE_H_
