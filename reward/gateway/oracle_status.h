// Failures of one oracle among several.
#ifndef ANABRANCH_REWARD_GATEWAY_ORACLE_STATUS_H_
#define ANABRANCH_REWARD_GATEWAY_ORACLE_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace anabranch {

// The same code and reason, with `before` in front of the message and `after` behind it.
absl::Status Explained(const absl::Status& status, absl::string_view before,
                       absl::string_view after = "");

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_GATEWAY_ORACLE_STATUS_H_
