#include "reward/reward_rpc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>

#include "absl/synchronization/notification.h"
#include "gflownet/environment/hypergrid.h"
#include "gflownet/environment/hypergrid_reward.h"
#include "reward/metered_reward.h"
#include "reward/reward_service.h"
#include "runtime/error_reason.h"
#include "runtime/retry.h"
#include "runtime/rpc/remote_reward.h"
#include "runtime/rpc/server.h"

namespace anabranch {
namespace {

using ::absl::StatusCode;
using ::testing::HasSubstr;

// An oracle that holds its callers until it is let go.
class GatedOracle final : public RewardClient {
 public:
  explicit GatedOracle(RewardClient& inner) : inner_(inner) {}
  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override {
    return inner_.Describe(request);
  }
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override {
    if (request.request_id() == "held") {
      entered_.Notify();
      let_go_.WaitForNotification();
    }
    return inner_.Evaluate(request);
  }
  void AwaitHeld() { entered_.WaitForNotification(); }
  void LetGo() { let_go_.Notify(); }

 private:
  RewardClient& inner_;
  absl::Notification entered_, let_go_;
};

// The grid's reward behind a real server on loopback.
class RewardRpcTest : public testing::Test {
 protected:
  RewardRpcTest() {
    HypergridOptions grid;
    grid.dimensions = 2;
    grid.side = 8;
    RewardServiceOptions options;
    options.name = "hypergrid";
    options.accepted_formats = {"grid"};
    options.environment_fingerprint = "hypergrid/1 side=8";
    options.max_batch_objects = 3;
    oracle_ = *RewardService::Create(options, *HypergridReward::Create(grid, {}));
    gate_ = std::make_unique<GatedOracle>(*oracle_);
    metered_ = std::make_unique<MeteredReward>(*gate_, metrics_);
    rpc_ = std::make_unique<RewardRpc>(*metered_, NullLog());
    auto server = RpcServer::Start(
        {.listen = "127.0.0.1:0"}, {rpc_.get()}, [](v1::GetStatusResponse&) {}, metrics_,
        NullLog());
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    server_->SetServing();
  }

  std::unique_ptr<RemoteReward> Client(absl::Duration timeout = absl::Seconds(60)) {
    RemoteClientOptions options;
    options.call_timeout = timeout;
    return std::make_unique<RemoteReward>(*MakeChannel("test", server_->address(), {}), options);
  }

  static v1::EvaluateRequest Request(const std::vector<std::string>& objects) {
    v1::EvaluateRequest request;
    request.set_request_id("batch 1");
    request.set_format("grid");
    for (const std::string& object : objects) request.add_objects()->set_inline_(object);
    return request;
  }

  Metrics metrics_{"reward"};
  std::unique_ptr<RewardService> oracle_;
  std::unique_ptr<GatedOracle> gate_;
  std::unique_ptr<MeteredReward> metered_;
  std::unique_ptr<RewardRpc> rpc_;
  std::unique_ptr<RpcServer> server_;
};

TEST_F(RewardRpcTest, AnswersOverASocketWhatTheServiceAnswers) {
  auto client = Client();
  EXPECT_EQ(client->Describe({})->SerializeAsString(), oracle_->Describe({})->SerializeAsString());
  const v1::EvaluateRequest request = Request({"3 3", "no cell", "1 1"});
  const auto there = client->Evaluate(request);
  ASSERT_TRUE(there.ok()) << there.status();
  EXPECT_EQ(there->SerializeAsString(), oracle_->Evaluate(request)->SerializeAsString());
}

TEST_F(RewardRpcTest, CodesMessagesAndReasonsTravel) {
  auto client = Client();
  const absl::Status oversize = client->Evaluate(Request({"0 0", "0 1", "0 2", "0 3"})).status();
  EXPECT_EQ(oversize.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(oversize.message()), HasSubstr("at most 3"));
  EXPECT_FALSE(IsRetryable(oversize));
  v1::EvaluateRequest other = Request({"0 0"});
  other.set_expected_fingerprint("another");
  const absl::Status changed = client->Evaluate(other).status();
  EXPECT_EQ(changed.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(changed), kReasonFingerprintChanged);
  v1::DescribeRequest describe;
  describe.set_environment_fingerprint("chess/1");
  EXPECT_EQ(client->Describe(describe).status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(RewardRpcTest, ATryEndsAtItsDeadlineAndIsWorthARetry) {
  auto client = Client(absl::Milliseconds(50));
  v1::EvaluateRequest held = Request({"0 0"});
  held.set_request_id("held");
  const absl::Status late = client->Evaluate(held).status();
  gate_->LetGo();
  EXPECT_EQ(late.code(), StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(IsRetryable(late));
}

TEST_F(RewardRpcTest, CancelEndsACallThatIsOnItsWayAndAllLaterOnes) {
  auto client = Client();
  v1::EvaluateRequest held = Request({"0 0"});
  held.set_request_id("held");
  absl::Status status;
  std::thread caller([&] { status = client->Evaluate(held).status(); });
  gate_->AwaitHeld();
  client->Cancel();
  caller.join();  // While the oracle still holds the call.
  gate_->LetGo();
  EXPECT_EQ(status.code(), StatusCode::kCancelled);
  EXPECT_EQ(client->Evaluate(Request({"0 0"})).status().code(), StatusCode::kCancelled);
}

TEST_F(RewardRpcTest, AServiceThatIsGoneIsWorthARetry) {
  auto client = Client();
  ASSERT_TRUE(client->Describe({}).ok());
  server_->Stop(absl::ZeroDuration());
  const absl::Status status = client->Evaluate(Request({"0 0"})).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_TRUE(IsRetryable(status));
}

TEST_F(RewardRpcTest, DrainingLetsTheCallThatRunsFinish) {
  auto client = Client();
  v1::EvaluateRequest held = Request({"3 3"});
  held.set_request_id("held");
  absl::StatusOr<v1::EvaluateResponse> answer;
  std::thread caller([&] { answer = client->Evaluate(held); });
  gate_->AwaitHeld();
  std::thread stopper([&] { server_->Stop(absl::Minutes(1)); });
  gate_->LetGo();
  caller.join();
  stopper.join();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->raw_values_size(), 1);
}

TEST_F(RewardRpcTest, MetricsCountItemsByStatus) {
  auto client = Client();
  ASSERT_TRUE(client->Evaluate(Request({"3 3", "no cell", "1 1"})).ok());
  const std::string text = metrics_.Text();
  EXPECT_THAT(text, HasSubstr("anabranch_reward_items_total{status=\"ok\"} 2"));
  EXPECT_THAT(text, HasSubstr("anabranch_reward_items_total{status=\"invalid\"} 1"));
  EXPECT_THAT(text, HasSubstr("anabranch_reward_request_seconds_count 1"));
  EXPECT_THAT(text, HasSubstr("anabranch_reward_in_flight 0"));
}

}  // namespace
}  // namespace anabranch
