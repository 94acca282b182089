// SHA-256, for checkpoints, snapshots and vocabularies.
#ifndef ANABRANCH_RUNTIME_SHA256_H_
#define ANABRANCH_RUNTIME_SHA256_H_

#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace anabranch {

// Digests bytes that come piece by piece. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void Update(absl::string_view bytes);
  // 32 bytes. Ends this digest and begins a new, empty one.
  std::string Finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

// The digest of `bytes`: 32 bytes.
std::string Sha256Digest(absl::string_view bytes);
// The digest of `bytes`: 64 lower-case hexadecimal digits.
std::string Sha256Hex(absl::string_view bytes);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_SHA256_H_
