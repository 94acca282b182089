// Answers cut into rows of objects and put together again.
#ifndef ANABRANCH_REWARD_GATEWAY_ANSWER_ROWS_H_
#define ANABRANCH_REWARD_GATEWAY_ANSWER_ROWS_H_

#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "anabranch/v1/reward.pb.h"

namespace anabranch {

// Objects [first, first + count) of an answer that TidyAnswer let pass.
struct AnswerRows {
  std::shared_ptr<const v1::EvaluateResponse> answer;
  int first = 0;
  int count = 0;
};

// The rows one after another, as the answer to `request_id`. All are of answers with the same
// columns. A column that may be absent is there if any of them has it, and says of the others what
// its absence says; standard errors are there only where all answers with an object OK know them.
// Fingerprint and budget are those of the last answer. At least one.
v1::EvaluateResponse JoinRows(const std::string& request_id, std::span<const AnswerRows> rows);

// `count` objects RETRYABLE because of `status`, in the columns of `like`.
v1::EvaluateResponse RetryableRows(const absl::Status& status, int count,
                                   const v1::EvaluateResponse& like);

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_GATEWAY_ANSWER_ROWS_H_
