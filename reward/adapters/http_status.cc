#include "reward/adapters/http_status.h"

#include <curl/curl.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "runtime/error_reason.h"

namespace anabranch {

absl::Status CurlStatus(int code, absl::string_view words) {
  if (code == CURLE_OK) return absl::OkStatus();
  const std::string message =
      words.empty() ? curl_easy_strerror(static_cast<CURLcode>(code)) : std::string(words);
  switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
      return absl::CancelledError("the oracle has been cancelled");
    case CURLE_OPERATION_TIMEDOUT:
      return absl::DeadlineExceededError(message);
    case CURLE_PEER_FAILED_VERIFICATION:
      return absl::UnauthenticatedError(
          absl::StrCat(message, "; check http.tls.ca_file and server_name"));
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
      return absl::FailedPreconditionError(absl::StrCat(message, "; check the files of http.tls"));
    default:
      return absl::UnavailableError(message);
  }
}

absl::Status HttpStatus(long status, absl::string_view body) {
  constexpr size_t kExcerpt = 200;
  if (status == 200) return absl::OkStatus();
  const std::string plain = absl::StrCat("the server answers with HTTP status ", status);
  const std::string message =
      absl::StrCat(plain, body.empty() ? "" : ": ", absl::CEscape(body.substr(0, kExcerpt)));
  if (status == 401) {
    return absl::UnauthenticatedError(absl::StrCat(plain, "; check http.token_file"));
  }
  if (status == 403) {
    return absl::PermissionDeniedError(absl::StrCat(plain, "; check http.token_file"));
  }
  if (status == 404) return absl::NotFoundError(message);
  if (status == 413)
    return WithReason(absl::ResourceExhaustedError(message), kReasonMessageTooLarge);
  if (status == 408 || status == 429 || status >= 500) return absl::UnavailableError(message);
  if (status >= 400) return absl::InvalidArgumentError(message);
  if (status >= 300) {
    return absl::FailedPreconditionError(
        absl::StrCat(plain, ", a redirect, which is not followed; give its target as http.url"));
  }
  // 202 and its kin have no values to read.
  return absl::UnavailableError(message);
}

absl::Status NameUrl(const absl::Status& status, const std::string& url) {
  const absl::Status named(status.code(), absl::StrCat(url, ": ", status.message()));
  const std::string reason = ReasonOf(status);
  return reason.empty() ? named : WithReason(named, reason);
}

}  // namespace anabranch
