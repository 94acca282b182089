#include "reward/adapters/http_url.h"

#include <curl/curl.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "runtime/socket_address.h"

namespace anabranch {
namespace {

struct UrlDeleter {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, UrlDeleter>;

// Empty where it has none.
std::string Part(const Url& url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, flags) != CURLUE_OK || text == nullptr) return "";
  std::string copy = text;
  curl_free(text);
  return copy;
}

absl::Status Refuse(absl::string_view why) {
  // The URL isn't told: it may hold a password.
  return absl::InvalidArgumentError(
      absl::StrCat("http.url: ", why, "; give http://HOST:PORT/PATH or https://HOST:PORT/PATH"));
}

}  // namespace

absl::StatusOr<HttpUrl> ParseHttpUrl(const std::string& text, const std::string& server_name) {
  const Url url(curl_url());
  if (text.empty()) return Refuse("is empty");
  if (url == nullptr || curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) {
    return Refuse("can't be read as a URL");
  }
  if (!Part(url, CURLUPART_USER).empty() || !Part(url, CURLUPART_PASSWORD).empty()) {
    return Refuse(
        "holds a user or password, which would stand in logs and fingerprints; use "
        "http.token_file");
  }
  const std::string scheme = Part(url, CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") {
    return Refuse(absl::StrCat("has the scheme \"", scheme, "\""));
  }
  HttpUrl parsed;
  const std::string host = Part(url, CURLUPART_HOST);
  absl::string_view bare = host;  // Without the brackets of an IPv6 address.
  if (absl::ConsumePrefix(&bare, "[")) absl::ConsumeSuffix(&bare, "]");
  parsed.secured = scheme == "https";
  parsed.loopback = IsLoopbackHost(std::string(bare));
  parsed.url = text;
  if (!server_name.empty() && parsed.secured) {
    const std::string port = Part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    parsed.connect_to = absl::StrCat(server_name, ":", port, ":", host, ":", port);
    if (curl_url_set(url.get(), CURLUPART_HOST, server_name.c_str(), 0) != CURLUE_OK) {
      return absl::InvalidArgumentError(
          absl::StrCat("http.tls.server_name: \"", server_name, "\" is no name of a host"));
    }
    parsed.url = Part(url, CURLUPART_URL);
  }
  return parsed;
}

}  // namespace anabranch
