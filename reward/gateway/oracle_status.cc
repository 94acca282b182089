#include "reward/gateway/oracle_status.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace anabranch {

absl::Status Explained(const absl::Status& status, absl::string_view before,
                       absl::string_view after) {
  absl::Status out(status.code(), absl::StrCat(before, status.message(), after));
  status.ForEachPayload(
      [&out](absl::string_view url, const absl::Cord& payload) { out.SetPayload(url, payload); });
  return out;
}

}  // namespace anabranch
