#include "runtime/error_reason.h"

#include "absl/strings/cord.h"
#include "google/rpc/error_details.pb.h"

namespace anabranch {

absl::Status WithReason(absl::Status status, absl::string_view reason, const ErrorFacts& facts) {
  if (status.ok()) return status;
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(reason));
  info.set_domain(kErrorDomain);
  info.mutable_metadata()->insert(facts.begin(), facts.end());
  // From a view: clang looks for the constructor from a string under another name than g++, which
  // built the library, has given it.
  status.SetPayload(kErrorInfoUrl, absl::Cord(absl::string_view(info.SerializeAsString())));
  return status;
}

std::string ReasonOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kErrorInfoUrl);
  google::rpc::ErrorInfo info;
  if (!payload.has_value() || !info.ParseFromString(std::string(*payload))) return "";
  return info.reason();
}

}  // namespace anabranch
