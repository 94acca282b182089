#include "runtime/rpc/token_file.h"

#include <openssl/crypto.h>
#include <sys/stat.h>

#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "runtime/file_system.h"
#include "runtime/rpc/tls_files.h"
#include "runtime/sha256.h"

namespace anabranch {
namespace {

constexpr absl::Duration kBetweenLooks = absl::Seconds(1);
// gRPC takes 8 KiB of headers in all.
constexpr size_t kMaxTokenBytes = 4096;

int64_t Nanoseconds(const timespec& time) {
  return absl::ToUnixNanos(absl::TimeFromTimespec(time));
}

// Empty where the text is a token; never quotes it.
std::string WhatIsWrong(absl::string_view token) {
  if (token.empty()) return "which is empty; it must hold a token";
  if (token.size() > kMaxTokenBytes) {
    return absl::StrCat("which holds ", token.size(), " bytes; a token has at most ",
                        kMaxTokenBytes);
  }
  for (size_t i = 0; i < token.size(); ++i) {
    if (absl::ascii_isgraph(static_cast<unsigned char>(token[i]))) continue;
    if (token[i] == '\n') return "which has more than one line; it must hold one token";
    return absl::StrCat("whose byte ", i + 1,
                        " is no visible ASCII character; a token has neither spaces nor others");
  }
  return "";
}

}  // namespace

absl::StatusOr<std::unique_ptr<TokenFile>> TokenFile::Open(absl::string_view key,
                                                           const std::string& path, Log& log,
                                                           Clock clock) {
  auto file = absl::WrapUnique(new TokenFile(std::string(key), path, log, std::move(clock)));
  const Version version = file->Look();
  auto token = file->Read();
  if (!token.ok()) return token.status();
  if (IsOpenToOthers(path)) {
    log.Warning(absl::StrCat(key, " is \"", path,
                             "\", which everybody on this machine may read; take that away: chmod "
                             "o= ",
                             path));
  }
  absl::MutexLock lock(&file->mu_);
  file->next_look_ = file->clock_() + kBetweenLooks;
  file->version_ = version;
  file->digest_ = Sha256Digest(*token);
  file->token_ = *std::move(token);
  return file;
}

absl::StatusOr<std::string> TokenFile::Read() const {
  auto text = PosixFileSystem()->Read(path_);
  if (!text.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(key_, ": ", text.status().message()));
  }
  absl::string_view token = *text;
  absl::ConsumeSuffix(&token, "\n");
  absl::ConsumeSuffix(&token, "\r");
  const std::string wrong = WhatIsWrong(token);
  if (wrong.empty()) return std::string(token);
  return absl::InvalidArgumentError(absl::StrCat(key_, " is \"", path_, "\", ", wrong));
}

TokenFile::Version TokenFile::Look() const {
  struct stat facts = {};
  Version version;
  if (stat(path_.c_str(), &facts) != 0) return version;
  version.device = static_cast<int64_t>(facts.st_dev);
  version.inode = static_cast<int64_t>(facts.st_ino);
  version.size = facts.st_size;
  version.modified_ns = Nanoseconds(facts.st_mtim);
  version.changed_ns = Nanoseconds(facts.st_ctim);
  return version;
}

void TokenFile::Refresh(bool at_once) {
  const absl::Time now = clock_();
  {
    absl::MutexLock lock(&mu_);
    if (!at_once && now < next_look_) return;
    next_look_ = now + kBetweenLooks;
  }
  const Version version = Look();
  {
    absl::MutexLock lock(&mu_);
    if (version == version_) return;
    version_ = version;  // Whoever comes next needn't read it too, nor warn of it.
  }
  auto token = Read();
  if (!token.ok()) {
    log_.Warning(absl::StrCat(token.status().message(), "; the token read before stays in use"));
    return;
  }
  std::string digest = Sha256Digest(*token);
  absl::MutexLock lock(&mu_);
  if (!(version == version_) || digest == digest_) return;  // Somebody has read a newer one.
  previous_digest_ = std::exchange(digest_, std::move(digest));
  previous_ends_ = now + kOverlap;
  token_ = *std::move(token);
}

std::string TokenFile::Current() {
  Refresh(/*at_once=*/false);
  absl::MutexLock lock(&mu_);
  return token_;
}

bool TokenFile::Matches(absl::string_view digest) {
  const absl::Time now = clock_();
  absl::MutexLock lock(&mu_);
  const auto same = [&](const std::string& known) {
    return known.size() == digest.size() &&
           CRYPTO_memcmp(known.data(), digest.data(), digest.size()) == 0;
  };
  return same(digest_) || (now < previous_ends_ && same(previous_digest_));
}

bool TokenFile::Accepts(absl::string_view offered) {
  const std::string digest = Sha256Digest(offered);
  Refresh(/*at_once=*/false);
  if (Matches(digest)) return true;
  Refresh(/*at_once=*/true);
  return Matches(digest);
}

}  // namespace anabranch
