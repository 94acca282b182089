// What an adapter is below the reward contract: something that computes numbers for objects.
#ifndef ANABRANCH_REWARD_ADAPTERS_VALUE_SOURCE_H_
#define ANABRANCH_REWARD_ADAPTERS_VALUE_SOURCE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "anabranch/v1/reward.pb.h"

namespace anabranch {

// Values of n objects, m objectives.
struct ScoredObjects {
  // [m][n]; nothing where the other side gave no value.
  std::vector<std::vector<std::optional<double>>> columns;
  // [n], or empty: what the other side says became of each object; UNSPECIFIED where it says
  // nothing, and the values decide.
  std::vector<v1::ObjectStatus> statuses;
  std::vector<std::string> reasons;  // [n], or empty.
};

// Thread-safe.
class ValueSource {
 public:
  virtual ~ValueSource() = default;

  // What identifies the other side, for people and for the fingerprint. Never empty. `fresh` asks
  // the other side again where that can change; otherwise what is known will do.
  virtual absl::StatusOr<std::string> Identity(bool fresh) = 0;
  // Why the protocol can't carry this object; empty where it can.
  virtual std::string Refusal(absl::string_view object) const = 0;
  // At least one object, at least one objective. Blocks, not longer than its timeout. Errors as
  // oracle_adapters.h says.
  virtual absl::StatusOr<ScoredObjects> Score(const std::vector<absl::string_view>& objects,
                                              const std::vector<std::string>& objectives) = 0;
  // Ends the calls of Score that are under way, and later ones, with CANCELLED.
  virtual void Cancel() = 0;
};

// UNAVAILABLE with the reason kReasonMalformedAnswer.
absl::Status MalformedAnswer(absl::string_view message);
// OK where `actual` is `expected`; otherwise MalformedAnswer, naming both and `what` was counted.
absl::Status CheckCount(absl::string_view what, size_t actual, size_t expected);
// Whether text is UTF-8, which is all that JSON can carry.
bool IsUtf8(absl::string_view text);
// The beginning of UTF-8 text, at most so many bytes and no half character.
std::string Shortened(absl::string_view text, size_t most);

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_ADAPTERS_VALUE_SOURCE_H_
