// Actor, gateway and oracle as they meet in a run: real gRPC, mutual TLS, a token for each edge.
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "anabranch/v1/replay.grpc.pb.h"
#include "gflownet/environment/hypergrid.h"
#include "gflownet/environment/hypergrid_reward.h"
#include "reward/reward_rpc.h"
#include "reward/reward_service.h"
#include "runtime/error_reason.h"
#include "runtime/file_system.h"
#include "runtime/retry.h"
#include "runtime/rpc/grpc_log.h"
#include "runtime/rpc/remote_reward.h"
#include "runtime/rpc/server.h"
#include "tests/runtime/rpc/raw_calls.h"
#include "tests/runtime/rpc/test_certificates.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using ::absl::StatusCode;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kNotServing = 2;
// Nobody may take as long to say no.
constexpr absl::Duration kPatience = absl::Seconds(60);

// A reward behind a server of its own.
struct Served {
  std::unique_ptr<RewardClient> reward;
  std::unique_ptr<RewardRpc> rpc;
  std::unique_ptr<RpcServer> server;
};

class SecuredEdgesTest : public testing::Test {
 protected:
  SecuredEdgesTest() {
    WriteSecret("reward.token", "swordfish-1");
    WriteSecret("oracle.token", "trout-2");
    WriteSecret("replay.token", "perch-3");
    gateway_tls_ = authority_.Issue("gateway");
    actor_tls_ = authority_.Issue("actor-host");
    oracle_ = Serve(GridReward(), Security(authority_.Issue("oracle"), "oracle.token"));
    gateway_ = Serve(Client(*oracle_.server, Security(gateway_tls_, "oracle.token")),
                     Security(gateway_tls_, "reward.token"));
  }

  void WriteSecret(const std::string& name, const std::string& text) {
    EXPECT_TRUE(PosixFileSystem()->Write(directory_.Path(name), text + "\n").ok());
    EXPECT_EQ(chmod(directory_.Path(name).c_str(), 0600), 0);
  }
  // `token` empty: none.
  EdgeSecurity Security(const v1::TlsConfig& tls, const std::string& token) const {
    EdgeSecurity security;
    security.tls = tls;
    if (!token.empty()) security.token_file = directory_.Path(token);
    return security;
  }

  static std::unique_ptr<RewardClient> GridReward() {
    HypergridOptions grid;
    grid.dimensions = 2;
    grid.side = 8;
    RewardServiceOptions options;
    options.name = "hypergrid";
    options.accepted_formats = {"grid"};
    return *RewardService::Create(options, *HypergridReward::Create(grid, {}));
  }

  Served Serve(std::unique_ptr<RewardClient> reward, const EdgeSecurity& security) {
    Served served;
    served.reward = std::move(reward);
    served.rpc = std::make_unique<RewardRpc>(*served.reward, NullLog());
    RpcServerOptions options;
    options.listen = "127.0.0.1:0";
    options.security = security;
    auto server = RpcServer::Start(options, {served.rpc.get()}, nullptr, metrics_, log_);
    EXPECT_TRUE(server.ok()) << server.status();
    served.server = *std::move(server);
    return served;
  }

  std::shared_ptr<grpc::Channel> Channel(const RpcServer& server, const EdgeSecurity& security) {
    ChannelOptions options;
    options.security = security;
    auto channel = MakeChannel("cluster.reward_address", server.address(), options);
    EXPECT_TRUE(channel.ok()) << channel.status();
    return *std::move(channel);
  }
  std::unique_ptr<RewardClient> Client(std::shared_ptr<grpc::Channel> channel) {
    RemoteClientOptions options;
    options.call_timeout = kPatience;
    return MakeRemoteRewardClient(std::move(channel), options);
  }
  std::unique_ptr<RewardClient> Client(const RpcServer& server, const EdgeSecurity& security) {
    return Client(Channel(server, security));
  }

  // What the actor gets through its own client, and what all processes have logged meanwhile.
  absl::Status Ask(RewardClient& client, std::string* log = nullptr) {
    v1::EvaluateRequest request;
    request.set_request_id("1");
    request.set_format("grid");
    request.add_objects()->set_inline_("3 3");
    testing::internal::CaptureStderr();
    const absl::Status status = client.Evaluate(request).status();
    const std::string logged = testing::internal::GetCapturedStderr();
    for (const char* secret : {"swordfish", "trout", "perch"}) {
      EXPECT_THAT(logged, Not(HasSubstr(secret)));
      EXPECT_THAT(std::string(status.message()), Not(HasSubstr(secret)));
    }
    if (log != nullptr) *log = logged;
    return status;
  }
  absl::Status AskGateway(const EdgeSecurity& security, std::string* log = nullptr) {
    return Ask(*Client(*gateway_.server, security), log);
  }
  // Of a connection that must not come about.
  static std::string NoConnection(const absl::Status& status) {
    EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status;
    return std::string(status.message());
  }

  TemporaryDirectory directory_;
  TestAuthority authority_{directory_.path(), "ca"};
  TestAuthority stranger_{directory_.path(), "stranger-ca"};
  Log log_{LogOptions()};
  Metrics metrics_{"reward"};
  HandshakeWatch handshakes_{metrics_, log_};
  v1::TlsConfig gateway_tls_;
  v1::TlsConfig actor_tls_;
  Served oracle_;
  Served gateway_;  // After the oracle, whose client it is.
};

TEST_F(SecuredEdgesTest, TheRightCertificatesAndTokensReachTheOracleThroughTheGateway) {
  const absl::Status status = AskGateway(Security(actor_tls_, "reward.token"));
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(SecuredEdgesTest, ACallWithoutTokenIsRefusedLoggedAndCounted) {
  std::string log;
  const absl::Status status = AskGateway(Security(actor_tls_, ""), &log);
  EXPECT_EQ(status.code(), StatusCode::kUnauthenticated) << status;
  EXPECT_EQ(ReasonOf(status), "NO_TOKEN");
  EXPECT_FALSE(IsRetryable(status));
  EXPECT_THAT(
      log, AllOf(HasSubstr("warning"), HasSubstr("refused a call"), HasSubstr("NO_TOKEN"),
                 HasSubstr("peer=actor-host"), HasSubstr("/anabranch.v1.RewardService/Evaluate")));
  EXPECT_THAT(metrics_.Text(), HasSubstr("anabranch_rpc_refused_total{reason=\"NO_TOKEN\"} 1\n"));
}

TEST_F(SecuredEdgesTest, ATokenOpensItsOwnEdgeAndNoOther) {
  std::string log;
  for (const char* other : {"oracle.token", "replay.token"}) {
    const absl::Status status = AskGateway(Security(actor_tls_, other), &log);
    EXPECT_EQ(status.code(), StatusCode::kUnauthenticated) << status;
    EXPECT_EQ(ReasonOf(status), "BAD_TOKEN") << other;
    EXPECT_FALSE(IsRetryable(status));
  }
  // One line a minute for each peer is enough.
  EXPECT_EQ(log, "");
  EXPECT_THAT(metrics_.Text(), HasSubstr("anabranch_rpc_refused_total{reason=\"BAD_TOKEN\"} 2\n"));
  const auto past_the_gateway = Client(*oracle_.server, Security(actor_tls_, "reward.token"));
  EXPECT_EQ(ReasonOf(Ask(*past_the_gateway)), "BAD_TOKEN");
}

class Listener final : public v1::ReplayService::Service {
 public:
  grpc::Status GetInfo(grpc::ServerContext* context, const v1::GetInfoRequest*,
                       v1::GetInfoResponse*) override {
    heard = context->client_metadata().count("authorization");
    return grpc::Status::OK;
  }
  size_t heard = 100;
};

TEST_F(SecuredEdgesTest, AServiceNeverSeesTheToken) {
  Listener listener;
  RpcServerOptions options = {.listen = "127.0.0.1:0"};
  options.security = Security(gateway_tls_, "replay.token");
  const auto server = *RpcServer::Start(options, {&listener}, nullptr, metrics_, log_);
  grpc::ClientContext context;
  v1::GetInfoResponse response;
  const auto channel = Channel(*server, Security(actor_tls_, "replay.token"));
  EXPECT_TRUE(v1::ReplayService::NewStub(channel)->GetInfo(&context, {}, &response).ok());
  EXPECT_EQ(listener.heard, 0u);
}

TEST_F(SecuredEdgesTest, WhatTheOracleRefusesTheGatewayIsToldToTheActorAsItIs) {
  const Served shut_out =
      Serve(Client(*oracle_.server, Security(gateway_tls_, "")), Security(gateway_tls_, ""));
  const absl::Status status = Ask(*Client(*shut_out.server, Security(actor_tls_, "")));
  EXPECT_EQ(status.code(), StatusCode::kUnauthenticated) << status;
  EXPECT_EQ(ReasonOf(status), "NO_TOKEN");
}

TEST_F(SecuredEdgesTest, ANewTokenOpensWithoutARestart) {
  const auto client = Client(*gateway_.server, Security(actor_tls_, "reward.token"));
  EXPECT_TRUE(Ask(*client).ok());
  WriteSecret("reward.token", "swordfish-4");
  // The client may send the old one for a moment yet.
  EXPECT_TRUE(Ask(*client).ok());
  WriteSecret("new.token", "swordfish-4");
  EXPECT_TRUE(AskGateway(Security(actor_tls_, "new.token")).ok());
}

TEST_F(SecuredEdgesTest, HealthNeedsACertificateButNoTokenAndReflectionNeedsBoth) {
  const auto without_token = Channel(*gateway_.server, Security(actor_tls_, ""));
  EXPECT_EQ(*CheckHealth(without_token, ""), kNotServing);
  EXPECT_EQ(ListServices(without_token), "");
  EXPECT_THAT(ListServices(Channel(*gateway_.server, Security(actor_tls_, "reward.token"))),
              HasSubstr("anabranch.v1.RewardService"));
  const auto without_certificate = Channel(*gateway_.server, Security(authority_.Trusting(), ""));
  EXPECT_EQ(CheckHealth(without_certificate, "").status().code(), StatusCode::kUnavailable);
}

TEST_F(SecuredEdgesTest, AServerOfAnUnknownAuthorityIsNotTalkedTo) {
  EdgeSecurity security = Security(actor_tls_, "reward.token");
  security.tls->set_ca_file(stranger_.ca_file());
  std::string log;
  EXPECT_THAT(NoConnection(AskGateway(security, &log)),
              AllOf(HasSubstr(gateway_.server->address()), HasSubstr("tls.ca_file")));
  EXPECT_THAT(log, AllOf(HasSubstr("TLS handshake failed"), HasSubstr("verify failed")));
}

TEST_F(SecuredEdgesTest, AClientOfAnUnknownAuthorityIsRefusedAndLogged) {
  EdgeSecurity security = Security(stranger_.Issue("intruder"), "reward.token");
  security.tls->set_ca_file(authority_.ca_file());
  std::string log;
  EXPECT_THAT(NoConnection(AskGateway(security, &log)),
              AllOf(HasSubstr(gateway_.server->address()), HasSubstr("certificate_file")));
  EXPECT_THAT(log, AllOf(HasSubstr("TLS handshake failed"), HasSubstr("verify failed")));
  EXPECT_THAT(metrics_.Text(), Not(HasSubstr("handshake_failures_total 0")));
}

TEST_F(SecuredEdgesTest, AClientWithoutCertificateIsRefusedAndLogged) {
  std::string log;
  EXPECT_THAT(NoConnection(AskGateway(Security(authority_.Trusting(), "reward.token"), &log)),
              HasSubstr("certificate_file"));
  EXPECT_THAT(log, HasSubstr("peer did not return a certificate"));
}

TEST_F(SecuredEdgesTest, ClientsNeedNoCertificateWhereTheServerSaysSo) {
  EdgeSecurity open = Security(gateway_tls_, "reward.token");
  open.tls->set_require_client_certificate(false);
  const Served served = Serve(GridReward(), open);
  const auto client = Client(*served.server, Security(authority_.Trusting(), "reward.token"));
  EXPECT_TRUE(Ask(*client).ok());
  std::string log;
  const auto without = Client(*served.server, Security(authority_.Trusting(), ""));
  EXPECT_EQ(Ask(*without, &log).code(), StatusCode::kUnauthenticated);
  EXPECT_THAT(log, HasSubstr("no certificate"));
}

TEST_F(SecuredEdgesTest, AServerUnderAnotherNameIsNotTalkedToUnlessTheNameIsAskedFor) {
  const Served elsewhere = Serve(
      GridReward(), Security(authority_.Issue(TestAuthority::Subject{"x", "DNS:elsewhere"}), ""));
  EdgeSecurity security = Security(actor_tls_, "");
  EXPECT_THAT(NoConnection(Ask(*Client(*elsewhere.server, security))),
              AllOf(HasSubstr("127.0.0.1"), HasSubstr("tls.server_name")));
  security.tls->set_server_name("elsewhere");
  EXPECT_TRUE(Ask(*Client(*elsewhere.server, security)).ok());
}

TEST_F(SecuredEdgesTest, PlainTextAndTlsDoNotMeet) {
  EXPECT_THAT(NoConnection(AskGateway({})), HasSubstr("is tls configured here"));
  const Served plain = Serve(GridReward(), {});
  EXPECT_THAT(NoConnection(Ask(*Client(*plain.server, Security(actor_tls_, "reward.token")))),
              HasSubstr("speaks plain text"));
}

// Ours refuse to start with such a certificate; others may not.
class ExpiredCertificateTest : public SecuredEdgesTest {
 protected:
  ExpiredCertificateTest() {
    TestAuthority::Subject subject{"expired"};
    subject.begins = absl::Now() - absl::Hours(48);
    subject.ends = absl::Now() - absl::Hours(24);
    tls_ = authority_.Issue(subject);
    ca_ = Read(tls_.ca_file());
    certificate_ = Read(tls_.certificate_file());
    key_ = Read(tls_.key_file());
  }
  static std::string Read(const std::string& path) { return *PosixFileSystem()->Read(path); }

  v1::TlsConfig tls_;
  std::string ca_, certificate_, key_;
};

TEST_F(ExpiredCertificateTest, IsRefusedAtStartOnBothSides) {
  RpcServerOptions options;
  options.listen = "127.0.0.1:0";
  options.security = Security(tls_, "");
  const absl::Status served = RpcServer::Start(options, {}, nullptr, metrics_, NullLog()).status();
  EXPECT_EQ(served.code(), StatusCode::kInvalidArgument) << served;
  EXPECT_THAT(std::string(served.message()), HasSubstr("expired on"));
  ChannelOptions channel;
  channel.security = Security(tls_, "");
  EXPECT_EQ(MakeChannel("address", "127.0.0.1:1", channel).status(), served);
}

TEST_F(ExpiredCertificateTest, OfAClientIsRefusedByTheServerAndLogged) {
  grpc::SslCredentialsOptions options{ca_, key_, certificate_};
  const auto client =
      Client(grpc::CreateChannel(gateway_.server->address(), grpc::SslCredentials(options)));
  std::string log;
  NoConnection(Ask(*client, &log));
  EXPECT_THAT(log, HasSubstr("verify failed"));
}

TEST_F(ExpiredCertificateTest, OfAServerIsRefusedByTheClient) {
  grpc::SslServerCredentialsOptions options(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  options.pem_key_cert_pairs.push_back({key_, certificate_});
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options), &port);
  const auto server = builder.BuildAndStart();
  ChannelOptions channel;
  channel.security = Security(actor_tls_, "");
  const auto client = Client(*MakeChannel("address", "127.0.0.1:" + std::to_string(port), channel));
  EXPECT_THAT(NoConnection(Ask(*client)), HasSubstr("has expired"));
}

class SecurityOptionsTest : public SecuredEdgesTest {
 protected:
  std::string Refusal(const EdgeSecurity& security) {
    const RpcServerOptions options = {.listen = "127.0.0.1:0", .security = security};
    const absl::Status status =
        RpcServer::Start(options, {}, nullptr, metrics_, NullLog()).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  }
};

TEST_F(SecurityOptionsTest, ATokenIsNeverSentNorAskedForInPlainText) {
  v1::ClusterConfig cluster;
  cluster.set_replay_token_file(directory_.Path("replay.token"));
  const EdgeSecurity security = SecurityOf(v1::ROLE_REPLAY, cluster);
  EXPECT_THAT(Refusal(security),
              AllOf(HasSubstr("cluster.replay_token_file"), HasSubstr("cluster.tls is missing")));
  ChannelOptions options;
  options.security = security;
  options.insecure = true;
  EXPECT_EQ(MakeChannel("address", "127.0.0.1:1", options).status().code(),
            StatusCode::kInvalidArgument);
}

TEST_F(SecurityOptionsTest, AServerNeedsACertificateAndAnAuthorityToCheckClientsBy) {
  EXPECT_THAT(Refusal(Security(authority_.Trusting(), "")),
              HasSubstr("tls.certificate_file is missing"));
  EdgeSecurity security = Security(gateway_tls_, "");
  security.tls->clear_ca_file();
  security.tls->set_require_client_certificate(true);
  EXPECT_THAT(Refusal(security), HasSubstr("tls.ca_file is missing"));
}

TEST_F(SecurityOptionsTest, AddressesOffLoopbackNeedNoInsecureWithTls) {
  RpcServerOptions options;
  options.listen = "0.0.0.0:0";
  EXPECT_FALSE(options.Validate().ok());
  options.security = Security(gateway_tls_, "");
  EXPECT_TRUE(options.Validate().ok());
  ChannelOptions channel;
  EXPECT_FALSE(MakeChannel("address", "replay.example:7401", channel).ok());
  channel.security = Security(actor_tls_, "");
  EXPECT_TRUE(MakeChannel("address", "replay.example:7401", channel).ok());
}

TEST_F(SecurityOptionsTest, EachRoleHasItsOwnToken) {
  v1::ClusterConfig cluster;
  EXPECT_FALSE(SecurityOf(v1::ROLE_REPLAY, cluster).tls.has_value());
  *cluster.mutable_tls() = gateway_tls_;
  cluster.set_replay_token_file("replay");
  cluster.set_reward_token_file("reward");
  cluster.set_learner_token_file("learner");
  EXPECT_EQ(SecurityOf(v1::ROLE_REPLAY, cluster).token_file, "replay");
  EXPECT_EQ(SecurityOf(v1::ROLE_REWARD, cluster).token_file, "reward");
  EXPECT_EQ(SecurityOf(v1::ROLE_REWARD, cluster).token_key, "cluster.reward_token_file");
  EXPECT_EQ(SecurityOf(v1::ROLE_LEARNER, cluster).token_file, "learner");
  EXPECT_EQ(SecurityOf(v1::ROLE_ACTOR, cluster).token_file, "");
  EXPECT_EQ(SecurityOf(v1::ROLE_ACTOR, cluster).tls->key_file(), gateway_tls_.key_file());
}

}  // namespace
}  // namespace anabranch
