#include "tests/runtime/rpc/test_certificates.h"

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "runtime/file_system.h"

namespace anabranch {
namespace {

constexpr long kVersion3 = 2;

void WritePem(const std::string& path, BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  const absl::Status written =
      PosixFileSystem()->Write(path, absl::string_view(data, static_cast<size_t>(size)));
  EXPECT_TRUE(written.ok()) << written;
  BIO_free(bio);
}

void WriteCertificate(const std::string& path, X509* certificate) {
  BIO* bio = BIO_new(BIO_s_mem());
  EXPECT_EQ(PEM_write_bio_X509(bio, certificate), 1);
  WritePem(path, bio);
}

void WriteKey(const std::string& path, EVP_PKEY* key) {
  BIO* bio = BIO_new(BIO_s_mem());
  EXPECT_EQ(PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr), 1);
  WritePem(path, bio);
  EXPECT_EQ(chmod(path.c_str(), 0600), 0);
}

void Extend(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  ASSERT_NE(extension, nullptr) << value;
  EXPECT_EQ(X509_add_ext(certificate, extension, -1), 1);
  X509_EXTENSION_free(extension);
}

// Without extensions and signature. `issuer` null: its own.
X509* Draft(const TestAuthority::Subject& subject, EVP_PKEY* key, X509* issuer) {
  X509* certificate = X509_new();
  X509_set_version(certificate, kVersion3);
  int64_t serial = 0;
  EXPECT_EQ(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial)), 1);
  ASN1_INTEGER_set_int64(X509_get_serialNumber(certificate), serial & INT64_MAX);
  ASN1_TIME_set(X509_getm_notBefore(certificate), absl::ToTimeT(subject.begins));
  ASN1_TIME_set(X509_getm_notAfter(certificate), absl::ToTimeT(subject.ends));
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(subject.name.c_str()), -1, -1,
                             0);
  X509_set_issuer_name(certificate,
                       X509_get_subject_name(issuer == nullptr ? certificate : issuer));
  X509_set_pubkey(certificate, key);
  return certificate;
}

}  // namespace

TestAuthority::TestAuthority(const std::string& directory, const std::string& name)
    : directory_(directory),
      ca_file_(JoinPath(directory, name + ".crt")),
      key_(EVP_EC_gen("P-256")),
      certificate_(Draft(Subject{name}, key_.get(), nullptr)) {
  Extend(certificate_.get(), certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
  Extend(certificate_.get(), certificate_.get(), NID_key_usage, "critical,keyCertSign");
  EXPECT_GT(X509_sign(certificate_.get(), key_.get(), EVP_sha256()), 0);
  WriteCertificate(ca_file_, certificate_.get());
}

v1::TlsConfig TestAuthority::Issue(const Subject& subject) const {
  v1::TlsConfig tls = Trusting();
  tls.set_certificate_file(JoinPath(directory_, subject.name + ".crt"));
  tls.set_key_file(JoinPath(directory_, subject.name + ".key"));
  const std::unique_ptr<EVP_PKEY, Free> key(EVP_EC_gen("P-256"));
  const std::unique_ptr<X509, Free> certificate(Draft(subject, key.get(), certificate_.get()));
  Extend(certificate.get(), certificate_.get(), NID_subject_alt_name, subject.alternative_names);
  EXPECT_GT(X509_sign(certificate.get(), key_.get(), EVP_sha256()), 0);
  WriteCertificate(tls.certificate_file(), certificate.get());
  WriteKey(tls.key_file(), key.get());
  return tls;
}

v1::TlsConfig TestAuthority::Trusting() const {
  v1::TlsConfig tls;
  tls.set_ca_file(ca_file_);
  return tls;
}

}  // namespace anabranch
