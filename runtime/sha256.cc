#include "runtime/sha256.h"

#include <openssl/evp.h>

#include <cstdlib>

#include "absl/strings/escaping.h"

namespace anabranch {

struct Sha256::Context {
  Context() : evp(EVP_MD_CTX_new()) { Begin(); }
  ~Context() { EVP_MD_CTX_free(evp); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // These fail only for want of memory or in an OpenSSL built without SHA-256: no caller could
  // go on without a digest.
  void Begin() {
    if (evp == nullptr || EVP_DigestInit_ex(evp, EVP_sha256(), nullptr) != 1) std::abort();
  }

  EVP_MD_CTX* evp;
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::Update(absl::string_view bytes) {
  if (EVP_DigestUpdate(context_->evp, bytes.data(), bytes.size()) != 1) std::abort();
}

std::string Sha256::Finish() {
  std::string digest(32, '\0');
  unsigned int size = 0;
  if (EVP_DigestFinal_ex(context_->evp, reinterpret_cast<unsigned char*>(digest.data()), &size) !=
          1 ||
      size != digest.size()) {
    std::abort();
  }
  context_->Begin();
  return digest;
}

std::string Sha256Digest(absl::string_view bytes) {
  Sha256 sha256;
  sha256.Update(bytes);
  return sha256.Finish();
}

std::string Sha256Hex(absl::string_view bytes) {
  return absl::BytesToHexString(Sha256Digest(bytes));
}

}  // namespace anabranch
