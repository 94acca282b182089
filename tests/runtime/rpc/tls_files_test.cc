#include "runtime/rpc/tls_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include <cstdlib>
#include <string>

#include "runtime/file_system.h"
#include "tests/runtime/rpc/test_certificates.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class TlsFilesTest : public testing::Test {
 protected:
  // Of files that must be refused.
  std::string Refusal(const v1::TlsConfig& tls) {
    const absl::Status status = ReadTlsFiles("cluster.tls", tls, now_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("BEGIN")));
    return std::string(status.message());
  }
  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = directory_.Path(name);
    EXPECT_TRUE(PosixFileSystem()->Write(path, text).ok());
    EXPECT_EQ(chmod(path.c_str(), 0600), 0);
    return path;
  }
  std::string Read(const std::string& path) { return *PosixFileSystem()->Read(path); }

  const absl::Time now_ = absl::Now();
  TemporaryDirectory directory_;
  TestAuthority authority_{directory_.path(), "ca"};
};

TEST_F(TlsFilesTest, WhatTheFilesHoldIsReadWithoutAWarning) {
  const v1::TlsConfig tls = authority_.Issue("replay");
  const auto files = ReadTlsFiles("cluster.tls", tls, now_);
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(files->ca, Read(tls.ca_file()));
  EXPECT_EQ(files->certificate, Read(tls.certificate_file()));
  EXPECT_EQ(files->key, Read(tls.key_file()));
  EXPECT_THAT(files->warnings, IsEmpty());
  EXPECT_TRUE(ReadTlsFiles("cluster.tls", {}, now_)->ca.empty());
}

TEST_F(TlsFilesTest, AMissingFileIsNamedWithItsKey) {
  v1::TlsConfig tls;
  tls.set_ca_file("/nowhere/ca.crt");
  EXPECT_THAT(Refusal(tls), AllOf(HasSubstr("cluster.tls.ca_file"), HasSubstr("/nowhere/ca.crt")));
  tls = authority_.Issue("replay");
  tls.set_certificate_file("/nowhere/own.crt");
  EXPECT_THAT(Refusal(tls),
              AllOf(HasSubstr("cluster.tls.certificate_file"), HasSubstr("/nowhere/own.crt")));
  tls = authority_.Issue("replay");
  tls.set_key_file("/nowhere/own.key");
  EXPECT_THAT(Refusal(tls),
              AllOf(HasSubstr("cluster.tls.key_file"), HasSubstr("/nowhere/own.key")));
}

TEST_F(TlsFilesTest, ACertificateNeedsItsKeyAndAKeyItsCertificate) {
  v1::TlsConfig tls = authority_.Issue("replay");
  tls.clear_key_file();
  EXPECT_THAT(Refusal(tls), HasSubstr("cluster.tls.key_file is missing"));
  tls = authority_.Issue("replay");
  tls.clear_certificate_file();
  EXPECT_THAT(Refusal(tls), HasSubstr("cluster.tls.certificate_file is missing"));
}

TEST_F(TlsFilesTest, AKeyOfAnotherCertificateIsRefused) {
  v1::TlsConfig tls = authority_.Issue("replay");
  tls.set_key_file(authority_.Issue("actor").key_file());
  EXPECT_THAT(Refusal(tls), AllOf(HasSubstr("cluster.tls.key_file"), HasSubstr("actor.key"),
                                  HasSubstr("not the key of certificate_file")));
}

TEST_F(TlsFilesTest, WhatIsNoPemIsRefusedAndNotQuoted) {
  const std::string junk = Write("junk", "swordfish");
  v1::TlsConfig tls = authority_.Issue("replay");
  tls.set_ca_file(junk);
  EXPECT_THAT(Refusal(tls), AllOf(HasSubstr("ca_file"), Not(HasSubstr("swordfish"))));
  tls = authority_.Issue("replay");
  tls.set_certificate_file(junk);
  EXPECT_THAT(Refusal(tls), AllOf(HasSubstr("certificate_file"), Not(HasSubstr("swordfish"))));
  tls = authority_.Issue("replay");
  tls.set_key_file(junk);
  EXPECT_THAT(Refusal(tls), AllOf(HasSubstr("key_file"), Not(HasSubstr("swordfish"))));
}

TEST_F(TlsFilesTest, AnEncryptedKeyIsRefusedAndNobodyIsAskedForItsPassphrase) {
  v1::TlsConfig tls = authority_.Issue("replay");
  EVP_PKEY* key = EVP_EC_gen("P-256");
  BIO* bio = BIO_new(BIO_s_mem());
  char passphrase[] = "swordfish";
  ASSERT_EQ(
      PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_128_cbc(), passphrase, 9, nullptr, nullptr),
      1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  tls.set_key_file(Write("encrypted.key", std::string(data, size)));
  BIO_free(bio);
  EVP_PKEY_free(key);
  EXPECT_THAT(Refusal(tls), AllOf(HasSubstr("encrypted.key"), HasSubstr("passphrase")));
}

TEST_F(TlsFilesTest, AnExpiredCertificateIsRefusedWithItsDate) {
  TestAuthority::Subject old{"old"};
  old.begins = absl::FromCivil(absl::CivilSecond(2020, 1, 1), absl::UTCTimeZone());
  old.ends = absl::FromCivil(absl::CivilSecond(2021, 2, 3, 4, 5, 6), absl::UTCTimeZone());
  EXPECT_THAT(Refusal(authority_.Issue(old)),
              AllOf(HasSubstr("old.crt"), HasSubstr("expired on 2021-02-03 04:05:06 UTC")));
}

TEST_F(TlsFilesTest, ACertificateOfTheFutureIsRefusedWithItsDate) {
  TestAuthority::Subject early{"early"};
  early.begins = absl::FromCivil(absl::CivilSecond(2100, 1, 1), absl::UTCTimeZone());
  early.ends = early.begins + absl::Hours(24);
  EXPECT_THAT(Refusal(authority_.Issue(early)),
              AllOf(HasSubstr("early.crt"), HasSubstr("valid from 2100-01-01 00:00:00 UTC")));
}

TEST_F(TlsFilesTest, ACertificateThatEndsSoonIsWarnedOf) {
  TestAuthority::Subject soon{"soon"};
  soon.ends = now_ + kSoonToExpire - absl::Hours(1);
  const auto files = ReadTlsFiles("cluster.tls", authority_.Issue(soon), now_);
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_THAT(files->warnings,
              ElementsAre(AllOf(HasSubstr("soon.crt"), HasSubstr("expires on 2"))));
}

TEST_F(TlsFilesTest, AKeyThatEverybodyMayReadIsWarnedOf) {
  const v1::TlsConfig tls = authority_.Issue("replay");
  ASSERT_EQ(chmod(tls.key_file().c_str(), 0644), 0);
  const auto files = ReadTlsFiles("cluster.tls", tls, now_);
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_THAT(files->warnings, ElementsAre(AllOf(HasSubstr("replay.key"), HasSubstr("chmod"))));
  ASSERT_EQ(chmod(tls.key_file().c_str(), 0640), 0);  // A group is somebody's choice.
  EXPECT_THAT(ReadTlsFiles("cluster.tls", tls, now_)->warnings, IsEmpty());
}

// The first fenced block of shell that follows a heading.
std::string CommandsUnder(const std::string& heading, const std::string& text) {
  const size_t begin = text.find("```sh\n", text.find(heading)) + 6;
  return text.substr(begin, text.find("```", begin) - begin);
}

TEST_F(TlsFilesTest, TheCommandsInTheDocumentationMakeFilesThatServe) {
  const std::string commands =
      CommandsUnder("## Certificates in six commands", Read("docs/security.md"));
  ASSERT_THAT(commands, HasSubstr("openssl x509"));
  const std::string script = Write("commands", "cd " + directory_.path() + "\n" + commands);
  ASSERT_EQ(std::system(("sh -e " + script + " > " + script + ".log 2>&1").c_str()), 0)
      << Read(script + ".log");
  v1::TlsConfig tls;
  tls.set_ca_file(directory_.Path("ca.crt"));
  tls.set_certificate_file(directory_.Path("own.crt"));
  tls.set_key_file(directory_.Path("own.key"));
  const auto files = ReadTlsFiles("cluster.tls", tls, absl::Now());
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_THAT(files->warnings, IsEmpty());
}

}  // namespace
}  // namespace anabranch
