#include "runtime/refusal.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/error_reason.h"

namespace anabranch {

v1::Refusal Refuse(absl::string_view reason, absl::string_view field, std::optional<uint64_t> index,
                   std::string message) {
  v1::Refusal refusal;
  refusal.set_code(static_cast<int32_t>(absl::StatusCode::kInvalidArgument));
  refusal.set_reason(std::string(reason));
  refusal.set_field(std::string(field));
  if (index.has_value()) refusal.set_index(*index);
  refusal.set_message(std::move(message));
  return refusal;
}

v1::Refusal RefuseMismatch(absl::string_view reason, absl::string_view field,
                           absl::string_view theirs, absl::string_view ours) {
  v1::Refusal refusal = Refuse(reason, field, std::nullopt,
                               absl::StrCat("is \"", theirs, "\", but \"", ours, "\" is in force"));
  refusal.set_code(static_cast<int32_t>(absl::StatusCode::kFailedPrecondition));
  return refusal;
}

absl::Status RefusalStatus(const v1::Refusal& refusal) {
  std::string where = refusal.field();
  if (refusal.has_index()) absl::StrAppend(&where, "[", refusal.index(), "]");
  if (!where.empty()) absl::StrAppend(&where, ": ");
  ErrorFacts facts;
  if (!refusal.field().empty()) facts["field"] = refusal.field();
  if (refusal.has_index()) facts["index"] = absl::StrCat(refusal.index());
  const absl::Status status(static_cast<absl::StatusCode>(refusal.code()),
                            absl::StrCat(where, refusal.message()));
  return refusal.reason().empty() ? status : WithReason(status, refusal.reason(), facts);
}

}  // namespace anabranch
