// A bearer token that lives in a file, and may be replaced there while processes run.
#ifndef ANABRANCH_RUNTIME_RPC_TOKEN_FILE_H_
#define ANABRANCH_RUNTIME_RPC_TOKEN_FILE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "runtime/log.h"

namespace anabranch {

// The file's only line: visible ASCII characters without spaces, at most 4096. It is looked at
// again at most once a second, and read when it has changed; a file that then holds no token is
// warned of, and the last good one stays. Neither errors nor the log ever quote it. Thread-safe;
// calls block for a look at the file at most.
class TokenFile {
 public:
  using Clock = std::function<absl::Time()>;
  // How long a token still opens after another has taken its place: clients read theirs a moment
  // later, or on another machine. Restart the server to end an old one at once.
  static constexpr absl::Duration kOverlap = absl::Minutes(5);

  // `key` is what the path is called in the configuration, for messages. INVALID_ARGUMENT names key
  // and path: can't be read, is empty, has more than one line, holds a character that no token may.
  // Warns of a file that others may read. `log` outlives the file.
  static absl::StatusOr<std::unique_ptr<TokenFile>> Open(absl::string_view key,
                                                         const std::string& path, Log& log,
                                                         Clock clock = absl::Now);

  // For clients: what to send.
  std::string Current();
  // For servers: whether it is the token, or was it until a short while ago. The time that it takes
  // tells nothing about the token. One that isn't makes it look at the file at once.
  bool Accepts(absl::string_view offered);

 private:
  // What tells one state of the file from the next.
  struct Version {
    int64_t device = 0, inode = 0, size = -1, modified_ns = 0, changed_ns = 0;
    bool operator==(const Version& other) const = default;
  };

  TokenFile(std::string key, std::string path, Log& log, Clock clock)
      : key_(std::move(key)), path_(std::move(path)), log_(log), clock_(std::move(clock)) {}

  absl::StatusOr<std::string> Read() const;
  // Size -1 where there is no such file.
  Version Look() const;
  // Reads the file if it has changed since; `at_once` without regard to when it was looked at.
  void Refresh(bool at_once);
  bool Matches(absl::string_view digest);

  const std::string key_;
  const std::string path_;
  Log& log_;
  const Clock clock_;
  absl::Mutex mu_;
  absl::Time next_look_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  Version version_ ABSL_GUARDED_BY(mu_);
  std::string token_ ABSL_GUARDED_BY(mu_);
  std::string digest_ ABSL_GUARDED_BY(mu_);           // SHA-256 of the token.
  std::string previous_digest_ ABSL_GUARDED_BY(mu_);  // Of the one before; may be empty.
  absl::Time previous_ends_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
};

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_TOKEN_FILE_H_
