// The URL of an oracle.
#ifndef ANABRANCH_REWARD_ADAPTERS_HTTP_URL_H_
#define ANABRANCH_REWARD_ADAPTERS_HTTP_URL_H_

#include <string>

#include "absl/status/statusor.h"

namespace anabranch {

struct HttpUrl {
  bool secured = false;    // https.
  bool loopback = false;   // Reaches this machine only.
  std::string url;         // As it is asked: with the server's name, if one is given, as its host.
  std::string connect_to;  // For CURLOPT_CONNECT_TO: where that name is. Empty without one.
};

// INVALID_ARGUMENT names http.url: no http or https, no host, or a user or password, which belong
// in a token file. `server_name` may be empty.
absl::StatusOr<HttpUrl> ParseHttpUrl(const std::string& url, const std::string& server_name);

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_ADAPTERS_HTTP_URL_H_
