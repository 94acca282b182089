// The reason beside a status code. Callers decide by (code, reason), never by the message.
#ifndef ANABRANCH_RUNTIME_ERROR_REASON_H_
#define ANABRANCH_RUNTIME_ERROR_REASON_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace anabranch {

// Payload of a status that carries a serialised google.rpc.ErrorInfo: the type URL under which gRPC
// knows it, so that it crosses a socket as it is.
inline constexpr char kErrorInfoUrl[] = "type.googleapis.com/google.rpc.ErrorInfo";
inline constexpr char kErrorDomain[] = "anabranch";

// Reasons of whole calls and streams; those of batches and their elements are in refusal.h.
inline constexpr absl::string_view kReasonStaleGeneration = "STALE_GENERATION";
inline constexpr absl::string_view kReasonFingerprintChanged = "FINGERPRINT_CHANGED";
inline constexpr absl::string_view kReasonSchemaMismatch = "SCHEMA_MISMATCH";
inline constexpr absl::string_view kReasonCorrupt = "CORRUPT";
inline constexpr absl::string_view kReasonDraining = "DRAINING";
inline constexpr absl::string_view kReasonOverloaded = "OVERLOADED";  // Try again later.
inline constexpr absl::string_view kReasonDiskFull = "DISK_FULL";
inline constexpr absl::string_view kReasonMessageTooLarge = "MESSAGE_TOO_LARGE";
// Of UNAUTHENTICATED: the call had no token, or not the one that opens this server.
inline constexpr absl::string_view kReasonNoToken = "NO_TOKEN";
inline constexpr absl::string_view kReasonBadToken = "BAD_TOKEN";
// An oracle's answer that is none to the question: unreadable, or with another number of values.
inline constexpr absl::string_view kReasonMalformedAnswer = "MALFORMED_ANSWER";
inline constexpr absl::string_view kReasonCircuitOpen = "CIRCUIT_OPEN";  // Nobody was asked.

// Further facts by name, such as {"field", "actions"}. Short: they travel in HTTP/2 trailers.
using ErrorFacts = std::map<std::string, std::string>;

// The same status with a reason; an OK status stays OK. Replaces an earlier reason.
absl::Status WithReason(absl::Status status, absl::string_view reason,
                        const ErrorFacts& facts = {});
// Empty where there is none.
std::string ReasonOf(const absl::Status& status);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_ERROR_REASON_H_
