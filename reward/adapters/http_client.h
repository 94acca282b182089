// POST of a text to one URL.
#ifndef ANABRANCH_REWARD_ADAPTERS_HTTP_CLIENT_H_
#define ANABRANCH_REWARD_ADAPTERS_HTTP_CLIENT_H_

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "anabranch/v1/config.pb.h"
#include "reward/adapters/json_answer.h"

namespace anabranch {

struct HttpClientOptions {
  std::string url;         // http:// or https://, without user or password.
  bool insecure = false;   // Plaintext off loopback.
  v1::TlsConfig tls;       // Of https.
  std::string token_file;  // Sent as "authorization: Bearer TOKEN"; needs https. Empty for none.
  absl::Duration timeout = absl::Seconds(60);
  size_t max_answer_bytes = kMaxAnswerBytes;
};

// Connections are kept open for the next question, one for each that is under way at a time.
// Loopback is reached without a proxy; redirects are not followed. The token is read at each
// question, so that it can be replaced. Thread-safe.
class HttpClient {
 public:
  // INVALID_ARGUMENT names the key of reward.oracles.http, its value and what to do.
  static absl::StatusOr<std::unique_ptr<HttpClient>> Create(const HttpClientOptions& options);
  // Nobody is in a call.
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // The body of an answer with status 200. Blocks, not longer than the timeout.
  // DEADLINE_EXCEEDED; UNAVAILABLE for what failed on the way, for 408, 429 and 5xx, and
  // (MalformedAnswer) for an answer that is too long; UNAUTHENTICATED for a server that can't prove
  // who it is, and 401; PERMISSION_DENIED for 403; NOT_FOUND for 404; RESOURCE_EXHAUSTED with
  // kReasonMessageTooLarge for 413; INVALID_ARGUMENT for other 4xx; FAILED_PRECONDITION for a
  // redirect, and for files of ours that can't be used. Never names the token.
  absl::StatusOr<std::string> Post(const std::string& json);
  // Whether a connection, secured if it has to be, can be made. Sends no request. Errors as Post.
  absl::Status Connect();
  // Ends what is under way, within a second, and what comes later with CANCELLED.
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }

 private:
  struct Handle;

  explicit HttpClient(const HttpClientOptions& options);

  std::unique_ptr<Handle> Acquire();
  void Release(std::unique_ptr<Handle> handle);
  // What every use of a handle has in common.
  void Prepare(Handle& handle) const;
  void PrepareTls(Handle& handle) const;
  absl::StatusOr<std::string> AuthorizationHeader() const;

  const HttpClientOptions options_;
  bool loopback_ = false;
  std::string url_;  // As it is asked: with tls.server_name, if any, for the host.
  std::atomic<bool> cancelled_ = false;
  std::string connect_to_;  // Where that name is really to be found; empty for where it says.
  absl::Mutex mu_;
  std::vector<std::unique_ptr<Handle>> idle_ ABSL_GUARDED_BY(mu_);
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_ADAPTERS_HTTP_CLIENT_H_
