// What libcurl and HTTP servers say, as statuses.
#ifndef ANABRANCH_REWARD_ADAPTERS_HTTP_STATUS_H_
#define ANABRANCH_REWARD_ADAPTERS_HTTP_STATUS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace anabranch {

// The outcome of a transfer: a CURLcode, and libcurl's own words for it.
absl::Status CurlStatus(int code, absl::string_view words);
// The outcome of a request: OK for 200 only. Codes as HttpClient::Post; the beginning of the body
// is quoted, save where it may be about credentials.
absl::Status HttpStatus(long status, absl::string_view body);
// The same status, its message after the URL.
absl::Status NameUrl(const absl::Status& status, const std::string& url);

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_ADAPTERS_HTTP_STATUS_H_
