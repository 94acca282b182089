// Whether an answer is one to the question that was asked.
#ifndef ANABRANCH_REWARD_GATEWAY_ANSWER_CHECK_H_
#define ANABRANCH_REWARD_GATEWAY_ANSWER_CHECK_H_

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "anabranch/v1/reward.pb.h"
#include "runtime/channels.h"

namespace anabranch {

// Longer reasons are cut.
inline constexpr size_t kLongestReason = 500;
// An object with a longer ticket fails.
inline constexpr size_t kLongestTicket = 4096;

// The objectives that `request` asks for: its own or, if it names none, `described`.
std::vector<std::string> AskedObjectives(const v1::EvaluateRequest& request,
                                         std::span<const std::string> described);

// Makes `answer` one whose columns are `columns`, in this order, and named. UNAVAILABLE with reason
// MALFORMED_ANSWER where it answers another request, has no fingerprint, lacks an objective, has a
// column of another length, or a status that isn't one: the answer may be right the next time.
// FAILED_PRECONDITION, reason FINGERPRINT_CHANGED, where the request expects another fingerprint.
// Single objects that make no sense (a value that isn't finite, a cost below 0, PENDING without a
// ticket) become FAILED, with a reason.
absl::Status TidyAnswer(const v1::EvaluateRequest& request, std::span<const std::string> columns,
                        v1::EvaluateResponse& answer);

// FAILED_PRECONDITION, reason MALFORMED_ANSWER: no fingerprint, no objective, one without a name or
// named twice, or more text than a description may have.
absl::Status CheckDescription(const v1::DescribeResponse& description);

// An oracle whose answers can be relied upon: all that it lets pass has been through TidyAnswer or
// CheckDescription. Thread-safe.
class CheckedOracle final : public RewardClient {
 public:
  explicit CheckedOracle(std::unique_ptr<RewardClient> oracle) : oracle_(std::move(oracle)) {}

  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override;
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override;

 private:
  // As described last; asks if it never was.
  absl::StatusOr<std::vector<std::string>> Described(const v1::EvaluateRequest& request);

  const std::unique_ptr<RewardClient> oracle_;
  absl::Mutex mu_;
  std::vector<std::string> described_ ABSL_GUARDED_BY(mu_);
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_GATEWAY_ANSWER_CHECK_H_
