#include "reward/adapters/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "reward/adapters/http_status.h"
#include "reward/adapters/http_url.h"
#include "reward/adapters/ignore_sigpipe.h"
#include "reward/adapters/value_source.h"
#include "runtime/file_system.h"

namespace anabranch {
namespace {

constexpr absl::Duration kConnectTimeout = absl::Seconds(10);

struct HeaderDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Headers = std::unique_ptr<curl_slist, HeaderDeleter>;

Headers MakeHeaders(const std::string& authorization) {
  curl_slist* list = nullptr;
  // No waiting for leave to send a body.
  for (const char* line :
       {"Content-Type: application/json", "Accept: application/json", "Expect:"}) {
    list = curl_slist_append(list, line);
  }
  if (!authorization.empty()) list = curl_slist_append(list, authorization.c_str());
  return Headers(list);
}

// The answer's body, as far as it is wanted.
struct Body {
  std::string text;
  size_t max_bytes;
  bool too_long = false;

  static size_t Take(char* bytes, size_t size, size_t count, void* self) {
    auto& body = *static_cast<Body*>(self);
    body.too_long = body.text.size() + size * count > body.max_bytes;
    if (body.too_long) return 0;
    body.text.append(bytes, size * count);
    return size * count;
  }
};

// libcurl calls it about every second at least, and ends where it isn't 0.
int LookIfCancelled(void* cancelled, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::atomic<bool>*>(cancelled)->load(std::memory_order_relaxed) ? 1 : 0;
}

}  // namespace

struct HttpClient::Handle {
  Handle() : curl(curl_easy_init()) {}
  ~Handle() {
    const IgnoreSigpipe ignore;  // A secured connection says goodbye.
    curl_easy_cleanup(curl);
  }

  CURL* const curl;
  char error[CURL_ERROR_SIZE] = "";
};

absl::StatusOr<std::unique_ptr<HttpClient>> HttpClient::Create(const HttpClientOptions& options) {
  curl_global_init(CURL_GLOBAL_DEFAULT);  // Counted, and safe from several threads.
  auto client = absl::WrapUnique(new HttpClient(options));
  auto url = ParseHttpUrl(options.url, options.tls.server_name());
  if (!url.ok()) return url.status();
  client->loopback_ = url->loopback;
  client->url_ = url->url;
  client->connect_to_ = url->connect_to;
  if (!url->secured && !url->loopback && !options.insecure) {
    return absl::InvalidArgumentError(absl::StrCat("http.url: \"", options.url,
                                                   "\" is on another machine, and nothing would be "
                                                   "encrypted; use https or, in a network where "
                                                   "all may read and write, give --insecure"));
  }
  if (!options.token_file.empty() && !url->secured) {
    return absl::InvalidArgumentError(absl::StrCat(
        "http.token_file: needs an https url, so that nobody reads the token; http.url is \"",
        options.url, "\""));
  }
  if (options.tls.has_certificate_file() != options.tls.has_key_file()) {
    return absl::InvalidArgumentError(
        "http.tls: has one of certificate_file and key_file; give both or none");
  }
  if (const auto header = client->AuthorizationHeader(); !header.ok()) return header.status();
  return client;
}

HttpClient::HttpClient(const HttpClientOptions& options) : options_(options) {}

HttpClient::~HttpClient() {
  {
    absl::MutexLock lock(&mu_);
    idle_.clear();
  }
  curl_global_cleanup();
}

std::unique_ptr<HttpClient::Handle> HttpClient::Acquire() {
  {
    absl::MutexLock lock(&mu_);
    if (!idle_.empty()) {
      std::unique_ptr<Handle> handle = std::move(idle_.back());
      idle_.pop_back();
      return handle;
    }
  }
  auto handle = std::make_unique<Handle>();
  return handle->curl != nullptr ? std::move(handle) : nullptr;
}

void HttpClient::Release(std::unique_ptr<Handle> handle) {
  absl::MutexLock lock(&mu_);
  idle_.push_back(std::move(handle));
}

absl::StatusOr<std::string> HttpClient::AuthorizationHeader() const {
  if (options_.token_file.empty()) return std::string();
  const auto text = PosixFileSystem()->Read(options_.token_file);
  if (!text.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("http.token_file: ", text.status().message()));
  }
  const absl::string_view token = absl::StripAsciiWhitespace(*text);
  const bool fits = !token.empty() && std::all_of(token.begin(), token.end(), [](unsigned char c) {
    return absl::ascii_isgraph(c);
  });
  if (!fits) {
    return absl::InvalidArgumentError(absl::StrCat(
        "http.token_file: ", options_.token_file,
        " must hold one token, printable and without spaces, and it holds something else"));
  }
  return absl::StrCat("Authorization: Bearer ", token);
}

void HttpClient::PrepareTls(Handle& handle) const {
  const auto set = [&handle](CURLoption option, const std::string& path) {
    if (!path.empty()) curl_easy_setopt(handle.curl, option, path.c_str());
  };
  curl_easy_setopt(handle.curl, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(handle.curl, CURLOPT_SSL_VERIFYHOST, 2L);
  set(CURLOPT_CAINFO, options_.tls.ca_file());
  // A private authority is asked for: then the system's don't count.
  if (!options_.tls.ca_file().empty()) curl_easy_setopt(handle.curl, CURLOPT_CAPATH, nullptr);
  set(CURLOPT_SSLCERT, options_.tls.certificate_file());
  set(CURLOPT_SSLKEY, options_.tls.key_file());
}

void HttpClient::Prepare(Handle& handle) const {
  CURL* const curl = handle.curl;
  curl_easy_reset(curl);  // Keeps its connections.
  handle.error[0] = '\0';
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, handle.error);
  curl_easy_setopt(curl, CURLOPT_URL, url_.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &LookIfCancelled);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, const_cast<std::atomic<bool>*>(&cancelled_));
  if (loopback_) curl_easy_setopt(curl, CURLOPT_PROXY, "");
  const auto milliseconds = [](absl::Duration duration) {
    return std::max<long>(1, static_cast<long>(absl::ToInt64Milliseconds(duration)));
  };
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, milliseconds(options_.timeout));
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                   milliseconds(std::min(options_.timeout, kConnectTimeout)));
  PrepareTls(handle);
}

absl::StatusOr<std::string> HttpClient::Post(const std::string& json) {
  const auto authorization = AuthorizationHeader();
  if (!authorization.ok()) return authorization.status();
  std::unique_ptr<Handle> handle = Acquire();
  if (handle == nullptr) return absl::UnavailableError("too little memory for a connection");
  Prepare(*handle);
  CURL* const curl = handle->curl;
  const Headers headers = MakeHeaders(*authorization);
  const Headers connect_to(connect_to_.empty() ? nullptr
                                               : curl_slist_append(nullptr, connect_to_.c_str()));
  Body body{{}, options_.max_answer_bytes};
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_CONNECT_TO, connect_to.get());
  curl_easy_setopt(curl, CURLOPT_POST, 1L);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(json.size()));
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, json.data());
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Body::Take);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
  CURLcode code;
  {
    const IgnoreSigpipe ignore;
    code = curl_easy_perform(curl);
  }
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  const absl::Status failure =
      body.too_long ? MalformedAnswer(absl::StrCat("the answer is longer than ",
                                                   options_.max_answer_bytes, " bytes"))
                    : CurlStatus(code, handle->error);
  curl_easy_reset(curl);  // Nothing of this question is pointed to any more.
  Release(std::move(handle));
  if (!failure.ok()) return NameUrl(failure, options_.url);
  const absl::Status answered = HttpStatus(status, body.text);
  if (!answered.ok()) return NameUrl(answered, options_.url);
  return std::move(body.text);
}

absl::Status HttpClient::Connect() {
  const auto handle = std::make_unique<Handle>();  // Its connection is of no use afterwards.
  if (handle->curl == nullptr) return absl::UnavailableError("too little memory for a connection");
  Prepare(*handle);
  const Headers connect_to(connect_to_.empty() ? nullptr
                                               : curl_slist_append(nullptr, connect_to_.c_str()));
  curl_easy_setopt(handle->curl, CURLOPT_CONNECT_TO, connect_to.get());
  curl_easy_setopt(handle->curl, CURLOPT_CONNECT_ONLY, 1L);
  const IgnoreSigpipe ignore;
  const absl::Status status = CurlStatus(curl_easy_perform(handle->curl), handle->error);
  return status.ok() ? status : NameUrl(status, options_.url);
}

}  // namespace anabranch
