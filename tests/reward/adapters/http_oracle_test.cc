#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "reward/adapters/oracle_adapters.h"
#include "runtime/error_reason.h"
#include "runtime/file_system.h"
#include "tests/reward/adapters/peer_server.h"
#include "tests/reward/adapters/questions.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

v1::OracleConfig At(const std::string& url, const std::vector<std::string>& objectives = {"length"},
                    double timeout_seconds = 60) {
  v1::OracleConfig config = OracleWith(objectives, timeout_seconds);
  config.mutable_http()->set_url(url);
  config.mutable_http()->set_objects_key("smiles");
  return config;
}

std::unique_ptr<RewardClient> Make(const v1::OracleConfig& config) {
  auto oracle = MakeHttpOracle(config, {});
  EXPECT_TRUE(oracle.ok()) << oracle.status();
  return oracle.ok() ? *std::move(oracle) : nullptr;
}

std::vector<std::string> Peer(const std::vector<std::string>& arguments = {}) {
  const std::string python = PythonWithRdkit();
  std::vector<std::string> command = {python.empty() ? "python3" : python, "-B",
                                      "tests/reward/adapters/peers/http_peer.py"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

// One plain server for all tests of this file.
class HttpOracle : public testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = new PeerServer(Peer()); }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }
  static std::string Url(const std::string& path) {
    return absl::StrCat("http://", server_->address(), path);
  }
  // What one question to this path is answered with.
  static absl::StatusOr<v1::EvaluateResponse> Ask(const std::string& path,
                                                  double timeout_seconds = 60) {
    return Make(At(Url(path), {"length"}, timeout_seconds))->Evaluate(Question({"CCO", "C", "CC"}));
  }

  static PeerServer* server_;
};

PeerServer* HttpOracle::server_ = nullptr;

TEST_F(HttpOracle, RowsAndColumnsGiveTheSameValuesInOrder) {
  for (const char* path : {"/rows", "/columns"}) {
    const auto answer = Ask(path);
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_THAT(answer->statuses(), Each(v1::OBJECT_STATUS_OK));
    EXPECT_THAT(answer->raw_values(), ElementsAre(3, 1, 2));
  }
}

TEST_F(HttpOracle, MoleculesAreScoredAsMolScoresServersDo) {
  if (PythonWithRdkit().empty()) GTEST_SKIP() << "RDKit isn't installed (Debian's python3-rdkit)";
  auto oracle = Make(At(Url("/rows"), {"length", "qed"}));
  const auto answer = oracle->Evaluate(
      Question({"CCO", "no molecule", "CC(=O)Oc1ccccc1C(=O)O"}, {"qed", "length"}));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->statuses(),
              ElementsAre(v1::OBJECT_STATUS_OK, v1::OBJECT_STATUS_INVALID, v1::OBJECT_STATUS_OK));
  EXPECT_NEAR(answer->raw_values(0), 0.4068, 1e-3);
  EXPECT_NEAR(answer->raw_values(4), 0.5501, 1e-3);
  EXPECT_EQ(answer->raw_values(5), 21);
  EXPECT_EQ(answer->reasons(1), "qed has no value");
}

TEST_F(HttpOracle, IsDescribedByItsUrl) {
  const auto description = Make(At(Url("/rows")))->Describe({});
  ASSERT_TRUE(description.ok()) << description.status();
  EXPECT_EQ(description->fingerprint(), absl::StrCat("http mine 1 url=", Url("/rows")));
}

TEST_F(HttpOracle, TheConnectionIsKept) {
  auto oracle = Make(At(Url("/connections")));
  const auto first = oracle->Evaluate(Question({"C"}));
  ASSERT_TRUE(first.ok()) << first.status();
  for (int i = 0; i < 5; ++i) {
    const auto next = oracle->Evaluate(Question({"C"}));
    ASSERT_TRUE(next.ok()) << next.status();
    EXPECT_EQ(next->raw_values(0), first->raw_values(0));
  }
}

TEST_F(HttpOracle, QuestionsRunSideBySide) {
  auto hanging = Make(At(Url("/hang"), {"length"}, /*timeout_seconds=*/3));
  absl::Status hung;
  std::thread waiting([&] { hung = hanging->Evaluate(Question({"C"})).status(); });
  EXPECT_TRUE(Ask("/rows").ok());
  waiting.join();
  EXPECT_TRUE(absl::IsDeadlineExceeded(hung)) << hung;
}

TEST_F(HttpOracle, CancellingEndsAQuestionUnderWay) {
  std::vector<std::function<void()>> cancel;
  AdapterOptions options;
  options.cancel = &cancel;
  auto oracle = MakeHttpOracle(At(Url("/hang")), options);
  ASSERT_TRUE(oracle.ok()) << oracle.status();
  absl::Status status;
  std::thread waiting([&] { status = (*oracle)->Evaluate(Question({"C"})).status(); });
  cancel.at(0)();
  waiting.join();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

TEST_F(HttpOracle, AFaultOfOneObjectIsItsStatus) {
  const auto nan = Ask("/nan");
  ASSERT_TRUE(nan.ok()) << nan.status();
  EXPECT_THAT(nan->statuses(), ElementsAre(v1::OBJECT_STATUS_FAILED, v1::OBJECT_STATUS_FAILED,
                                           v1::OBJECT_STATUS_OK));
  EXPECT_THAT(nan->reasons(), ElementsAre("length is NaN", "length is infinite", ""));
  const auto gaps = Ask("/gaps");
  ASSERT_TRUE(gaps.ok()) << gaps.status();
  EXPECT_THAT(gaps->statuses(), ElementsAre(v1::OBJECT_STATUS_OK, v1::OBJECT_STATUS_INVALID,
                                            v1::OBJECT_STATUS_FAILED));
  EXPECT_THAT(gaps->reasons(), ElementsAre("", "length has no value", HasSubstr("long")));
}

TEST_F(HttpOracle, WhatIsNoAnswerIsUnavailableAndSaysWhy) {
  const auto malformed = [](const char* path) {
    const absl::Status status = Ask(path).status();
    EXPECT_TRUE(absl::IsUnavailable(status)) << path << " " << status;
    EXPECT_EQ(ReasonOf(status), kReasonMalformedAnswer) << path << " " << status;
    return status.ToString();
  };
  EXPECT_THAT(malformed("/short"), AllOf(HasSubstr("2 values of length"), HasSubstr("3 were")));
  EXPECT_THAT(malformed("/short-rows"), AllOf(HasSubstr("2 entries"), HasSubstr("3 were")));
  EXPECT_THAT(malformed("/garbage"), HasSubstr("<html>busy"));
  EXPECT_THAT(malformed("/flood"), HasSubstr("longer than 67108864 bytes"));
  const absl::Status half = Ask("/half").status();
  EXPECT_TRUE(absl::IsUnavailable(half)) << half;
  const absl::Status none = Make(At(Url("/rows"), {"width"}))->Evaluate(Question({"C"})).status();
  EXPECT_THAT(none.ToString(), AllOf(HasSubstr("width"), HasSubstr("length, qed, smiles")));
}

TEST_F(HttpOracle, AStatusOtherThan200HasTheCodeThatSaysWhetherToTryAgain) {
  const auto code = [](int status) {
    const absl::Status answer = Ask(absl::StrCat("/status/", status)).status();
    EXPECT_THAT(answer.ToString(), HasSubstr(absl::StrCat("HTTP status ", status)));
    return answer.code();
  };
  for (const int status : {408, 429, 500, 502, 503, 504}) {
    EXPECT_EQ(code(status), absl::StatusCode::kUnavailable) << status;
  }
  for (const int status : {400, 405, 422}) {
    EXPECT_EQ(code(status), absl::StatusCode::kInvalidArgument) << status;
  }
  EXPECT_EQ(code(401), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(code(403), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code(404), absl::StatusCode::kNotFound);
  EXPECT_EQ(code(413), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(Ask("/status/503").status().ToString(), HasSubstr("as you wish"));
}

TEST_F(HttpOracle, ARedirectIsNotFollowed) {
  const absl::Status status = Ask("/redirect").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(status.ToString(), HasSubstr("http.url"));
}

TEST_F(HttpOracle, AProxyOfTheEnvironmentIsNotAskedForLoopback) {
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  const absl::Status status = Ask("/rows").status();
  unsetenv("http_proxy");
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(HttpOracle, TextThatIsNoUtf8IsNotSent) {
  const auto answer = Make(At(Url("/rows")))->Evaluate(Question({"\xff", "CC", "\u00e9"}));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->statuses(),
              ElementsAre(v1::OBJECT_STATUS_INVALID, v1::OBJECT_STATUS_OK, v1::OBJECT_STATUS_OK));
  EXPECT_THAT(answer->raw_values(), ElementsAre(0, 2, 1));
}

TEST(HttpServers, OneThatGoesAwayIsUnavailable) {
  auto server = std::make_unique<PeerServer>(Peer({"--objects-key", "objects"}));
  v1::OracleConfig config = At(absl::StrCat("http://", server->address(), "/rows"));
  config.mutable_http()->set_objects_key("objects");
  auto oracle = Make(config);
  EXPECT_TRUE(oracle->Evaluate(Question({"C"})).ok());
  server.reset();
  const absl::Status status = oracle->Evaluate(Question({"C"})).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(status.ToString(), HasSubstr(config.http().url()));
  EXPECT_TRUE(absl::IsUnavailable(oracle->Describe({}).status()));
}

TEST(HttpServers, WhatCannotBeIsRefusedAtOnceAndPasswordsAreNotRepeated) {
  const auto refusal = [](const v1::OracleConfig& config) {
    const absl::Status status = MakeHttpOracle(config, {}).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return status.ToString();
  };
  EXPECT_THAT(refusal(At("")), HasSubstr("http.url: is empty"));
  EXPECT_THAT(refusal(At("ftp://127.0.0.1/x")), HasSubstr("\"ftp\""));
  EXPECT_THAT(refusal(At("http://scores.example.org/x")),
              AllOf(HasSubstr("scores.example.org"), HasSubstr("--insecure")));
  EXPECT_THAT(refusal(At("http://me:hush@127.0.0.1/x")),
              AllOf(HasSubstr("http.token_file"), Not(HasSubstr("hush"))));
  v1::OracleConfig config = At("http://127.0.0.1:1/x");
  config.mutable_http()->set_token_file("/nowhere/token");
  EXPECT_THAT(refusal(config), AllOf(HasSubstr("http.token_file"), HasSubstr("https")));
  config.mutable_http()->set_url("https://127.0.0.1:1/x");
  EXPECT_THAT(refusal(config), HasSubstr("/nowhere/token"));
  config = At("http://127.0.0.1:1/x");
  config.mutable_http()->clear_objects_key();
  EXPECT_THAT(refusal(config), HasSubstr("http.objects_key"));
  config = At("https://127.0.0.1:1/x");
  config.mutable_http()->mutable_tls()->set_key_file("key.pem");
  EXPECT_THAT(refusal(config), HasSubstr("certificate_file"));
  AdapterOptions insecure;
  insecure.insecure = true;
  EXPECT_TRUE(MakeHttpOracle(At("http://scores.example.org/x"), insecure).ok());
}

// A server with a certificate for oracle.test alone, which wants a client's certificate and a
// token.
class SecuredHttp : public testing::Test {
 protected:
  void SetUp() override {
    Authority("ca");
    Authority("other-ca");
    Certificate("server", "ca");
    Certificate("client", "ca");
    ASSERT_TRUE(PosixFileSystem()->Write(Path("token"), "open-sesame\n").ok());
    ASSERT_TRUE(PosixFileSystem()->Write(Path("wrong-token"), "open-barley").ok());
    server_ = std::make_unique<PeerServer>(
        Peer({"--certificate", Path("server.pem"), "--key", Path("server.key"), "--ca",
              Path("ca.pem"), "--token", "open-sesame"}));
    config_ = At(absl::StrCat("https://", server_->address(), "/rows"));
    v1::TlsConfig& tls = *config_.mutable_http()->mutable_tls();
    tls.set_ca_file(Path("ca.pem"));
    tls.set_certificate_file(Path("client.pem"));
    tls.set_key_file(Path("client.key"));
    tls.set_server_name("oracle.test");
    config_.mutable_http()->set_token_file(Path("token"));
  }

  std::string Path(const std::string& name) const { return directory_.Path(name); }
  absl::Status Ask() const { return Make(config_)->Evaluate(Question({"C"})).status(); }

  void Run(const std::string& arguments) const {
    const std::string command = absl::StrCat("openssl ", arguments, " 2>", Path("openssl.log"));
    EXPECT_EQ(system(command.c_str()), 0)
        << PosixFileSystem()->Read(Path("openssl.log")).value_or("");
  }
  void Authority(const std::string& name) const {
    Run(absl::StrCat(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=", name,
        " -keyout ", Path(name), ".key -out ", Path(name), ".pem"));
  }
  void Certificate(const std::string& name, const std::string& authority) const {
    ASSERT_TRUE(
        PosixFileSystem()->Write(Path("extensions"), "subjectAltName=DNS:oracle.test\n").ok());
    Run(absl::StrCat("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=", name,
                     " -keyout ", Path(name), ".key -out ", Path(name), ".csr"));
    Run(absl::StrCat("x509 -req -days 2 -in ", Path(name), ".csr -CA ", Path(authority),
                     ".pem -CAkey ", Path(authority), ".key -CAcreateserial -extfile ",
                     Path("extensions"), " -out ", Path(name), ".pem"));
  }

  TemporaryDirectory directory_;
  std::unique_ptr<PeerServer> server_;
  v1::OracleConfig config_;
};

TEST_F(SecuredHttp, TheRightFilesOpenIt) {
  EXPECT_TRUE(Ask().ok()) << Ask();
  EXPECT_TRUE(Make(config_)->Describe({}).ok());
}

TEST_F(SecuredHttp, AnotherAuthorityIsNotTrusted) {
  config_.mutable_http()->mutable_tls()->set_ca_file(Path("other-ca.pem"));
  EXPECT_TRUE(absl::IsUnauthenticated(Ask())) << Ask();
  EXPECT_THAT(Ask().ToString(), AllOf(HasSubstr("ca_file"), Not(HasSubstr("open-sesame"))));
  EXPECT_TRUE(absl::IsUnauthenticated(Make(config_)->Describe({}).status()));
  config_.mutable_http()->mutable_tls()->clear_ca_file();  // Nor is it one of the system's.
  EXPECT_TRUE(absl::IsUnauthenticated(Ask())) << Ask();
}

TEST_F(SecuredHttp, AnotherNameThanTheCertificatesIsNotTrusted) {
  config_.mutable_http()->mutable_tls()->clear_server_name();  // Then it is 127.0.0.1.
  EXPECT_TRUE(absl::IsUnauthenticated(Ask())) << Ask();
}

TEST_F(SecuredHttp, WithoutACertificateOfItsOwnTheClientIsRefused) {
  config_.mutable_http()->mutable_tls()->clear_certificate_file();
  config_.mutable_http()->mutable_tls()->clear_key_file();
  // TLS 1.3 tells a client only when it reads that it isn't welcome: a broken connection, to it.
  EXPECT_TRUE(absl::IsUnavailable(Ask())) << Ask();
}

TEST_F(SecuredHttp, AWrongOrMissingTokenIsRefusedAndNotTold) {
  config_.mutable_http()->set_token_file(Path("wrong-token"));
  EXPECT_TRUE(absl::IsUnauthenticated(Ask())) << Ask();
  EXPECT_THAT(Ask().ToString(), AllOf(HasSubstr("token_file"), Not(HasSubstr("open-barley"))));
  config_.mutable_http()->clear_token_file();
  EXPECT_TRUE(absl::IsUnauthenticated(Ask())) << Ask();
}

TEST_F(SecuredHttp, ATokenMayBeReplacedWhileItRuns) {
  config_.mutable_http()->set_token_file(Path("wrong-token"));
  auto oracle = Make(config_);
  EXPECT_TRUE(absl::IsUnauthenticated(oracle->Evaluate(Question({"C"})).status()));
  ASSERT_TRUE(PosixFileSystem()->Write(Path("wrong-token"), "open-sesame").ok());
  EXPECT_TRUE(oracle->Evaluate(Question({"C"})).ok());
}

TEST_F(SecuredHttp, ATokenThatWouldBreakTheHeaderIsRefused) {
  ASSERT_TRUE(PosixFileSystem()->Write(Path("token"), "open\r\nX-Evil: yes").ok());
  const absl::Status status = MakeHttpOracle(config_, {}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(status.ToString(), AllOf(HasSubstr("token_file"), Not(HasSubstr("Evil"))));
}

}  // namespace
}  // namespace anabranch
