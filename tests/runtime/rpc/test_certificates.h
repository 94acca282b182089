// Authorities and certificates made for a test, as files.
#ifndef ANABRANCH_TESTS_RUNTIME_RPC_TEST_CERTIFICATES_H_
#define ANABRANCH_TESTS_RUNTIME_RPC_TEST_CERTIFICATES_H_

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "anabranch/v1/config.pb.h"

namespace anabranch {

// An authority of its own; nobody else knows it. Fails the test if OpenSSL does.
class TestAuthority {
 public:
  // What a certificate says.
  struct Subject {
    std::string name;  // Also the files' name: NAME.crt and NAME.key.
    std::string alternative_names = "DNS:localhost,IP:127.0.0.1";
    absl::Time begins = absl::Now() - absl::Hours(1);
    absl::Time ends = absl::Now() + absl::Hours(24 * 365);
  };

  // Writes DIRECTORY/NAME.crt.
  TestAuthority(const std::string& directory, const std::string& name);

  const std::string& ca_file() const { return ca_file_; }
  // Writes certificate and key; who shows them, and trusts this authority alone.
  v1::TlsConfig Issue(const Subject& subject) const;
  v1::TlsConfig Issue(const std::string& name) const { return Issue(Subject{name}); }
  // Of who trusts this authority and shows nothing.
  v1::TlsConfig Trusting() const;

 private:
  struct Free {
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };

  const std::string directory_;
  const std::string ca_file_;
  std::unique_ptr<EVP_PKEY, Free> key_;
  std::unique_ptr<X509, Free> certificate_;
};

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_RUNTIME_RPC_TEST_CERTIFICATES_H_
