// Why something from outside was refused, in the form that both a stream and a status can carry.
#ifndef ANABRANCH_RUNTIME_REFUSAL_H_
#define ANABRANCH_RUNTIME_REFUSAL_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "anabranch/v1/identity.pb.h"

namespace anabranch {

// Reasons, stable: callers decide by (code, reason), never by the message.
inline constexpr absl::string_view kReasonWrongLength = "WRONG_LENGTH";
inline constexpr absl::string_view kReasonOutOfRange = "OUT_OF_RANGE";
inline constexpr absl::string_view kReasonNotFinite = "NOT_FINITE";
inline constexpr absl::string_view kReasonMissing = "MISSING";
inline constexpr absl::string_view kReasonRunMismatch = "RUN_MISMATCH";
inline constexpr absl::string_view kReasonEnvironmentMismatch = "ENVIRONMENT_MISMATCH";
inline constexpr absl::string_view kReasonLayoutMismatch = "LAYOUT_MISMATCH";
inline constexpr absl::string_view kReasonUnknownTable = "UNKNOWN_TABLE";
inline constexpr absl::string_view kReasonTooLarge = "TOO_LARGE";

// INVALID_ARGUMENT at `field`, or at element `index` of it. The message says what was found, what
// was expected and, where it isn't plain, the remedy.
v1::Refusal Refuse(absl::string_view reason, absl::string_view field, std::optional<uint64_t> index,
                   std::string message);

// FAILED_PRECONDITION: `field` says `theirs` where this side holds `ours`. Names both.
v1::Refusal RefuseMismatch(absl::string_view reason, absl::string_view field,
                           absl::string_view theirs, absl::string_view ours);

// The same as a status, with a message like "actions[7]: ..."; reason, field and index go with it
// as an ErrorInfo (error_reason.h).
absl::Status RefusalStatus(const v1::Refusal& refusal);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_REFUSAL_H_
