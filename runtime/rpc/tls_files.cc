#include "runtime/rpc/tls_files.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <ctime>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "runtime/file_system.h"

namespace anabranch {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Certificate = std::unique_ptr<X509, Free>;
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Bio = std::unique_ptr<BIO, Free>;

Bio Over(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Without one OpenSSL would ask at the terminal.
int NoPassphrase(char*, int, int, void*) { return -1; }

absl::Status Refuse(absl::string_view key, absl::string_view path, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(key, " is \"", path, "\", ", what));
}

absl::StatusOr<std::string> ReadFile(absl::string_view key, const std::string& path) {
  auto text = PosixFileSystem()->Read(path);
  if (text.ok()) return text;
  return absl::InvalidArgumentError(absl::StrCat(key, ": ", text.status().message()));
}

// The certificates of a PEM text, in order.
std::vector<Certificate> ParseCertificates(const std::string& text) {
  std::vector<Certificate> certificates;
  const Bio bio = Over(text);
  while (Certificate next{PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr)}) {
    certificates.push_back(std::move(next));
  }
  ERR_clear_error();  // The last one is always that there are no more.
  return certificates;
}

absl::Time TimeOf(const ASN1_TIME* time) {
  std::tm parts = {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return absl::InfinitePast();
  return absl::FromTimeT(timegm(&parts));
}

std::string DateOf(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone());
}

// Whether the certificate is valid now, and for how long.
absl::Status CheckDates(absl::string_view key, const std::string& path, const X509& certificate,
                        absl::Time now, TlsFiles& files) {
  const absl::Time begins = TimeOf(X509_get0_notBefore(&certificate));
  const absl::Time ends = TimeOf(X509_get0_notAfter(&certificate));
  if (now >= ends) {
    return Refuse(key, path,
                  absl::StrCat("a certificate that expired on ", DateOf(ends), "; make a new one"));
  }
  if (now < begins) {
    return Refuse(key, path,
                  absl::StrCat("a certificate that is valid from ", DateOf(begins), " on; it is ",
                               DateOf(now), " by this machine's clock"));
  }
  if (ends - now < kSoonToExpire) {
    files.warnings.push_back(absl::StrCat(key, " is \"", path, "\", a certificate that expires on ",
                                          DateOf(ends), "; replace it and restart"));
  }
  return absl::OkStatus();
}

absl::Status CheckKey(absl::string_view key, const std::string& path, const std::string& text,
                      const X509& certificate, TlsFiles& files) {
  const Bio bio = Over(text);
  const Key parsed(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr));
  const bool belongs = parsed != nullptr && X509_check_private_key(&certificate, parsed.get()) == 1;
  ERR_clear_error();
  if (parsed == nullptr) {
    return Refuse(key, path,
                  "which holds no private key in PEM, or one that is encrypted; a service has "
                  "nobody to ask for the passphrase");
  }
  if (!belongs) return Refuse(key, path, "which is not the key of certificate_file");
  if (IsOpenToOthers(path)) {
    files.warnings.push_back(absl::StrCat(key, " is \"", path,
                                          "\", which everybody on this machine may read; take that "
                                          "away: chmod o= ",
                                          path));
  }
  return absl::OkStatus();
}

// Reads certificate and key, of which there are both or none.
absl::Status ReadOwn(absl::string_view prefix, const v1::TlsConfig& tls, absl::Time now,
                     TlsFiles& files) {
  const std::string certificate_key = absl::StrCat(prefix, ".certificate_file");
  const std::string key_key = absl::StrCat(prefix, ".key_file");
  const std::string& certificate_path = tls.certificate_file();
  if (certificate_path.empty() && tls.key_file().empty()) return absl::OkStatus();
  if (certificate_path.empty()) {
    return Refuse(key_key, tls.key_file(),
                  absl::StrCat("but ", certificate_key, " is missing; give both or none"));
  }
  if (tls.key_file().empty()) {
    return Refuse(certificate_key, certificate_path,
                  absl::StrCat("but ", key_key, " is missing; give both or none"));
  }
  auto certificate = ReadFile(certificate_key, certificate_path);
  if (!certificate.ok()) return certificate.status();
  auto key = ReadFile(key_key, tls.key_file());
  if (!key.ok()) return key.status();
  const std::vector<Certificate> chain = ParseCertificates(*certificate);
  if (chain.empty()) {
    return Refuse(certificate_key, certificate_path, "which holds no certificate in PEM");
  }
  for (const Certificate& link : chain) {
    absl::Status status = CheckDates(certificate_key, certificate_path, *link, now, files);
    if (!status.ok()) return status;
  }
  absl::Status status = CheckKey(key_key, tls.key_file(), *key, *chain.front(), files);
  if (!status.ok()) return status;
  files.certificate = *std::move(certificate);
  files.key = *std::move(key);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TlsFiles> ReadTlsFiles(absl::string_view prefix, const v1::TlsConfig& tls,
                                      absl::Time now) {
  TlsFiles files;
  if (!tls.ca_file().empty()) {
    const std::string key = absl::StrCat(prefix, ".ca_file");
    auto ca = ReadFile(key, tls.ca_file());
    if (!ca.ok()) return ca.status();
    if (ParseCertificates(*ca).empty()) {
      return Refuse(key, tls.ca_file(), "which holds no certificate in PEM");
    }
    files.ca = *std::move(ca);
  }
  if (absl::Status status = ReadOwn(prefix, tls, now, files); !status.ok()) return status;
  return files;
}

bool IsOpenToOthers(const std::string& path) {
  struct stat facts = {};
  return stat(path.c_str(), &facts) == 0 && (facts.st_mode & (S_IROTH | S_IWOTH)) != 0;
}

}  // namespace anabranch
