#include "runtime/rpc/server.h"

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <grpcpp/server_context.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "anabranch/v1/replay.grpc.pb.h"
#include "anabranch/v1/status.grpc.pb.h"
#include "runtime/error_reason.h"
#include "runtime/retry.h"
#include "runtime/rpc/channel.h"
#include "runtime/rpc/grpc_status.h"
#include "tests/runtime/rpc/raw_calls.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using ::testing::HasSubstr;

constexpr char kReplay[] = "anabranch.v1.ReplayService";
constexpr char kStatus[] = "anabranch.v1.StatusService";
constexpr int kServing = 1;
constexpr int kNotServing = 2;

// Does in GetInfo what a test says.
class Scripted final : public v1::ReplayService::Service {
 public:
  using Script = std::function<absl::Status(grpc::ServerContext&, const v1::GetInfoRequest&,
                                            v1::GetInfoResponse&)>;
  Script script;

  grpc::Status GetInfo(grpc::ServerContext* context, const v1::GetInfoRequest* request,
                       v1::GetInfoResponse* response) override {
    if (script == nullptr) return grpc::Status::OK;
    return ToGrpcStatus(script(*context, *request, *response));
  }
  // Answers each message; ends as the client's half does.
  grpc::Status Insert(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::InsertResponse, v1::InsertRequest>* stream) override {
    v1::InsertRequest request;
    while (stream->Read(&request)) stream->Write({});
    return {grpc::StatusCode::ABORTED, "done"};
  }
};

class RpcServerTest : public ::testing::Test {
 protected:
  void Start(RpcServerOptions options = {}, RpcServer::Describe describe = nullptr) {
    if (options.listen.empty()) options.listen = "127.0.0.1:0";
    auto server = RpcServer::Start(options, {&service_}, std::move(describe), metrics_, NullLog());
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ = Connect();
  }

  std::shared_ptr<grpc::Channel> Connect(const ChannelOptions& options = {}) {
    auto channel = MakeChannel("address", server_->address(), options);
    EXPECT_TRUE(channel.ok()) << channel.status();
    return *channel;
  }

  absl::StatusOr<v1::GetInfoResponse> GetInfo(const v1::GetInfoRequest& request = {},
                                              std::shared_ptr<grpc::Channel> channel = nullptr) {
    grpc::ClientContext context;
    v1::GetInfoResponse response;
    const auto stub = v1::ReplayService::NewStub(channel == nullptr ? channel_ : channel);
    const grpc::Status status = stub->GetInfo(&context, request, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response;
  }

  v1::GetStatusResponse GetStatus() {
    grpc::ClientContext context;
    v1::GetStatusResponse response;
    const grpc::Status status =
        v1::StatusService::NewStub(channel_)->GetStatus(&context, {}, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  Scripted service_;
  Metrics metrics_{"replay"};
  std::unique_ptr<RpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(RpcServerTest, AStatusArrivesWithItsReason) {
  const absl::Status sent =
      WithReason(absl::FailedPreconditionError("other run"), "RUN_MISMATCH", {{"field", "run_id"}});
  service_.script = [&](auto&, auto&, auto&) { return sent; };
  Start();
  EXPECT_EQ(GetInfo().status(), sent);  // Payloads included.
}

TEST_F(RpcServerTest, TheLongestMessageStillArrivesWithItsReason) {
  // Bytes that a trailer writes as three, so that this is the worst there is.
  std::string message;
  for (int i = 0; i < 100'000; ++i) message += "\xc3\xbc";
  service_.script = [&](auto&, auto&, auto&) {
    return WithReason(absl::InvalidArgumentError(message), "OUT_OF_RANGE",
                      {{"field", std::string(1000, 'f')}});
  };
  Start();
  const absl::Status got = GetInfo().status();
  EXPECT_EQ(got.code(), absl::StatusCode::kInvalidArgument) << got;
  EXPECT_EQ(ReasonOf(got), "OUT_OF_RANGE");
}

TEST_F(RpcServerTest, AMessageTooLargeForTheServerIsRefusedAndTheServerLives) {
  RpcServerOptions options;
  options.max_message_bytes = 1000;
  Start(options);
  v1::GetInfoRequest request;
  request.mutable_handshake()->set_run_id(std::string(2000, 'x'));
  const absl::Status status = GetInfo(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_EQ(ReasonOf(status), "MESSAGE_TOO_LARGE");
  EXPECT_FALSE(IsRetryable(status));
  EXPECT_TRUE(GetInfo().ok());
}

TEST_F(RpcServerTest, AMessageTooLargeToSendNeverLeavesTheClient) {
  std::atomic<int> calls = 0;
  service_.script = [&](auto&, auto&, auto&) {
    ++calls;
    return absl::OkStatus();
  };
  Start();
  ChannelOptions small;
  small.max_message_bytes = 1000;
  v1::GetInfoRequest request;
  request.mutable_handshake()->set_run_id(std::string(2000, 'x'));
  EXPECT_EQ(ReasonOf(GetInfo(request, Connect(small)).status()), "MESSAGE_TOO_LARGE");
  EXPECT_EQ(calls, 0);
}

TEST_F(RpcServerTest, AnAnswerTooLargeIsRefusedOnEitherSide) {
  service_.script = [](auto&, auto&, v1::GetInfoResponse& response) {
    response.set_run_id(std::string(2000, 'x'));
    return absl::OkStatus();
  };
  RpcServerOptions options;
  options.max_message_bytes = 1000;
  Start(options);
  EXPECT_EQ(ReasonOf(GetInfo().status()), "MESSAGE_TOO_LARGE");
  Start();
  EXPECT_TRUE(GetInfo().ok());
  ChannelOptions small;
  small.max_message_bytes = 1000;
  EXPECT_EQ(ReasonOf(GetInfo({}, Connect(small)).status()), "MESSAGE_TOO_LARGE");
}

TEST_F(RpcServerTest, MessagesAsLargeAsPromisedPass) {
  service_.script = [](auto&, const v1::GetInfoRequest& request, v1::GetInfoResponse& response) {
    response.set_run_id(request.handshake().run_id());
    return absl::OkStatus();
  };
  Start();
  v1::GetInfoRequest request;
  request.mutable_handshake()->set_run_id(std::string(kMaxMessageBytes - 100, 'x'));
  const auto response = GetInfo(request);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->run_id().size(), kMaxMessageBytes - 100);
}

TEST_F(RpcServerTest, APortInUseIsOneErrorWithTheRemedy) {
  Start();
  RpcServerOptions options;
  options.listen = server_->address();
  const absl::Status status = RpcServer::Start(options, {}, nullptr, metrics_, NullLog()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr(server_->address()));
  EXPECT_THAT(std::string(status.message()), HasSubstr("choose another port"));
  // The first one didn't notice.
  EXPECT_TRUE(GetInfo().ok());
}

TEST_F(RpcServerTest, APortIsFreeAgainOnceItsServerIsGone) {
  Start();
  RpcServerOptions options;
  options.listen = server_->address();
  server_.reset();
  Start(options);
  EXPECT_TRUE(GetInfo().ok());
}

TEST_F(RpcServerTest, PlaintextOffLoopbackIsRefusedUnlessInsecure) {
  RpcServerOptions options;
  options.listen = "0.0.0.0:0";
  const absl::Status status = RpcServer::Start(options, {}, nullptr, metrics_, NullLog()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("0.0.0.0:0"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("--insecure"));
  options.insecure = true;
  EXPECT_TRUE(RpcServer::Start(options, {}, nullptr, metrics_, NullLog()).ok());
}

TEST_F(RpcServerTest, AUnixSocketServesToo) {
  const TemporaryDirectory directory;
  RpcServerOptions options;
  options.listen = absl::StrCat("unix:", directory.Path("socket"));
  Start(options);
  EXPECT_EQ(server_->address(), options.listen);
  EXPECT_TRUE(GetInfo().ok());
  options.listen = absl::StrCat("unix:", directory.Path("missing/socket"));
  const absl::Status status = RpcServer::Start(options, {}, nullptr, metrics_, NullLog()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr(options.listen));
}

TEST_F(RpcServerTest, OptionsThatCannotWorkAreNamed) {
  RpcServerOptions options;
  options.listen = "127.0.0.1:0";
  options.max_threads = 1;
  EXPECT_THAT(std::string(options.Validate().message()), HasSubstr("max_threads is 1"));
  options.max_threads = 8;
  options.max_message_bytes = int64_t{1} << 31;
  EXPECT_THAT(std::string(options.Validate().message()), HasSubstr("max_message_bytes is"));
  options.max_message_bytes = 0;
  EXPECT_THAT(std::string(options.Validate().message()), HasSubstr("max_message_bytes is 0"));
}

TEST_F(RpcServerTest, HealthFollowsTheStateOfTheRole) {
  Start();
  for (const std::string service : {"", kReplay, kStatus}) {
    EXPECT_EQ(*CheckHealth(channel_, service), kNotServing) << service;
  }
  server_->SetServing();
  for (const std::string service : {"", kReplay, kStatus}) {
    EXPECT_EQ(*CheckHealth(channel_, service), kServing) << service;
  }
  server_->SetNotServing(v1::ROLE_STATE_FAILED, "a worker died");
  EXPECT_EQ(*CheckHealth(channel_, kReplay), kNotServing);
  EXPECT_EQ(GetStatus().state(), v1::ROLE_STATE_FAILED);
  EXPECT_EQ(GetStatus().state_reason(), "a worker died");
  EXPECT_TRUE(absl::IsNotFound(CheckHealth(channel_, "no.such.Service").status()));
}

TEST_F(RpcServerTest, DrainingIsFinal) {
  Start();
  server_->SetServing();
  server_->SetNotServing(v1::ROLE_STATE_DRAINING, "told to");
  server_->SetServing();
  EXPECT_EQ(*CheckHealth(channel_, ""), kNotServing);
  EXPECT_EQ(GetStatus().state(), v1::ROLE_STATE_DRAINING);
}

TEST_F(RpcServerTest, ReflectionListsTheServices) {
  Start();
  const std::string services = ListServices(channel_);
  EXPECT_THAT(services, HasSubstr(kReplay));
  EXPECT_THAT(services, HasSubstr(kStatus));
  EXPECT_THAT(services, HasSubstr("grpc.health.v1.Health"));
}

TEST_F(RpcServerTest, GetStatusAddsStateAndUptimeToWhatTheRoleTells) {
  Start({}, [](v1::GetStatusResponse& response) {
    response.set_role(v1::ROLE_REPLAY);
    v1::Total& total = *response.add_totals();
    total.set_name("inserts");
    total.set_value(7);
  });
  const v1::GetStatusResponse first = GetStatus();
  EXPECT_EQ(first.state(), v1::ROLE_STATE_STARTING);
  EXPECT_EQ(first.role(), v1::ROLE_REPLAY);
  EXPECT_EQ(first.totals(0).value(), 7);
  EXPECT_GT(first.uptime_seconds(), 0);
  server_->SetServing();
  EXPECT_EQ(GetStatus().state(), v1::ROLE_STATE_SERVING);
  EXPECT_GT(GetStatus().uptime_seconds(), first.uptime_seconds());
}

TEST_F(RpcServerTest, CallsAndStreamsAreTimedByMethodAndCode) {
  service_.script = [](auto&, const v1::GetInfoRequest& request, auto&) {
    if (request.handshake().run_id().empty()) return absl::OkStatus();
    return absl::NotFoundError("");
  };
  Start();
  ASSERT_TRUE(GetInfo().ok());
  v1::GetInfoRequest request;
  request.mutable_handshake()->set_run_id("x");
  ASSERT_FALSE(GetInfo(request).ok());
  ASSERT_FALSE(GetInfo(request).ok());
  grpc::ClientContext context;
  auto stream = v1::ReplayService::NewStub(channel_)->Insert(&context);
  v1::InsertResponse response;
  ASSERT_TRUE(stream->Write({}) && stream->Read(&response));
  ASSERT_TRUE(stream->Write({}) && stream->Read(&response));
  stream->WritesDone();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::ABORTED);
  ASSERT_EQ(*CheckHealth(channel_, ""), kNotServing);
  server_->Stop(absl::InfiniteDuration());
  const std::string text = metrics_.Text();
  const auto count = [](const std::string& method, const std::string& code, int n) {
    return absl::StrCat("anabranch_rpc_seconds_count{code=\"", code, "\",method=\"", method, "\"} ",
                        n, "\n");
  };
  EXPECT_THAT(text, HasSubstr(count("ReplayService/GetInfo", "OK", 1)));
  EXPECT_THAT(text, HasSubstr(count("ReplayService/GetInfo", "NOT_FOUND", 2)));
  EXPECT_THAT(text, HasSubstr(count("ReplayService/Insert", "ABORTED", 1)));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("Health")));
}

TEST_F(RpcServerTest, ADrainLetsARunningCallEndAndTakesNoNewOne) {
  absl::Notification running, go_on;
  service_.script = [&](auto&, auto&, v1::GetInfoResponse& response) {
    running.Notify();
    go_on.WaitForNotification();
    response.set_run_id("done");
    return absl::OkStatus();
  };
  Start();
  server_->SetServing();
  grpc::ClientContext watching;
  const auto watch = WatchHealth(channel_, kReplay, watching);
  grpc::ByteBuffer health;
  ASSERT_TRUE(watch->Read(&health));
  ASSERT_EQ(HealthOf(health), kServing);
  absl::StatusOr<v1::GetInfoResponse> answer = absl::UnknownError("never asked");
  std::thread caller([&] { answer = GetInfo(); });
  running.WaitForNotification();
  std::thread stopper([&] { server_->Stop(absl::InfiniteDuration()); });
  ASSERT_TRUE(watch->Read(&health));
  EXPECT_EQ(HealthOf(health), kNotServing);
  // New connections and, as soon as the news has come, new calls on old ones. A call that comes in
  // that very moment is cancelled.
  absl::Status refused;
  while (refused.ok() || absl::IsCancelled(refused)) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
    v1::GetStatusResponse response;
    refused =
        FromGrpcStatus(v1::StatusService::NewStub(Connect())->GetStatus(&context, {}, &response));
  }
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable) << refused;
  EXPECT_TRUE(IsRetryable(refused));
  go_on.Notify();
  stopper.join();
  caller.join();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->run_id(), "done");
  watching.TryCancel();
}

TEST_F(RpcServerTest, WhoWatchesTheHealthDoesNotHoldUpTheEnd) {
  Start();
  grpc::ClientContext watching;
  const auto watch = WatchHealth(channel_, "", watching);
  grpc::ByteBuffer health;
  ASSERT_TRUE(watch->Read(&health));
  // Would never return if it waited for the watch.
  server_->Stop(absl::InfiniteDuration());
  while (watch->Read(&health)) {
  }
  EXPECT_FALSE(watch->Finish().ok());
}

TEST_F(RpcServerTest, AfterTheGraceRunningCallsAreCancelled) {
  absl::Notification running;
  service_.script = [&](grpc::ServerContext& context, auto&, auto&) {
    running.Notify();
    while (!context.IsCancelled()) std::this_thread::yield();
    return absl::CancelledError("cancelled");
  };
  Start();
  absl::Status status;
  std::thread caller([&] { status = GetInfo().status(); });
  running.WaitForNotification();
  server_->Stop(absl::Milliseconds(1));
  caller.join();
  EXPECT_FALSE(status.ok());
}

TEST_F(RpcServerTest, CallsBeyondItsThreadsAreRefusedAsOverloadedAndTheServerLives) {
  RpcServerOptions options;
  options.max_threads = 8;
  absl::Notification go_on;
  service_.script = [&](auto&, auto&, auto&) {
    go_on.WaitForNotification();
    return absl::OkStatus();
  };
  Start(options);
  const auto stub = v1::ReplayService::NewStub(channel_);
  struct Call {
    grpc::ClientContext context;
    v1::GetInfoRequest request;
    v1::GetInfoResponse response;
    absl::Status status;
    absl::Notification done;
  };
  std::vector<std::unique_ptr<Call>> calls;
  absl::Notification refused;
  std::atomic<bool> first = true;
  for (int i = 0; i < 12; ++i) {
    calls.push_back(std::make_unique<Call>());
    Call& call = *calls.back();
    stub->async()->GetInfo(&call.context, &call.request, &call.response, [&](grpc::Status status) {
      call.status = FromGrpcStatus(status);
      if (!call.status.ok() && first.exchange(false)) refused.Notify();
      call.done.Notify();
    });
  }
  refused.WaitForNotification();
  go_on.Notify();
  int answered = 0;
  for (const auto& call : calls) {
    call->done.WaitForNotification();
    if (call->status.ok()) {
      ++answered;
    } else {
      EXPECT_EQ(ReasonOf(call->status), "OVERLOADED") << call->status;
      EXPECT_TRUE(IsRetryable(call->status));
    }
  }
  EXPECT_GT(answered, 0);
  EXPECT_TRUE(GetInfo().ok());
}

TEST(MakeChannel, RefusesAddressesByTheirNameInTheConfiguration) {
  ChannelOptions options;
  const auto message = [&](const std::string& address) {
    const absl::Status status = MakeChannel("cluster.replay_address", address, options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << address;
    return std::string(status.message());
  };
  EXPECT_THAT(message("db:7401"), HasSubstr("cluster.replay_address is \"db:7401\""));
  EXPECT_THAT(message("db:7401"), HasSubstr("--insecure"));
  EXPECT_THAT(message("db"), HasSubstr("which has no port"));
  EXPECT_THAT(message("unix:"), HasSubstr("unix:PATH"));
  options.insecure = true;
  EXPECT_TRUE(MakeChannel("x", "db:7401", options).ok());
}

TEST(MakeChannel, AnUnreachablePeerIsUnavailableNotAHang) {
  auto channel = MakeChannel("x", "127.0.0.1:1", {});
  ASSERT_TRUE(channel.ok());
  grpc::ClientContext context;
  v1::GetStatusResponse response;
  const absl::Status status =
      FromGrpcStatus(v1::StatusService::NewStub(*channel)->GetStatus(&context, {}, &response));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
}

TEST(IsLoopback, HoldsForUnixSocketsToo) {
  EXPECT_TRUE(IsLoopback("unix:/tmp/replay"));
  EXPECT_TRUE(IsLoopback("[::1]:7401"));
  EXPECT_FALSE(IsLoopback("0.0.0.0:7401"));
  EXPECT_FALSE(IsLoopback("no address"));
}

}  // namespace
}  // namespace anabranch
