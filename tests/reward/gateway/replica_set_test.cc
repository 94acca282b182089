#include "reward/gateway/replica_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "reward/gateway/answer_check.h"
#include "reward/reward_rpc.h"
#include "runtime/error_reason.h"
#include "runtime/metrics.h"
#include "runtime/rpc/remote_reward.h"
#include "runtime/rpc/server.h"
#include "tests/reward/gateway/scripted_oracle.h"

namespace anabranch {
namespace {

using ::testing::HasSubstr;

// A replica that fails when told to, and says when it has been probed.
struct Replica {
  Replica() {
    oracle = std::make_unique<ScriptedOracle>();
    oracle->spoil = [this](const v1::EvaluateRequest&, v1::EvaluateResponse&) {
      ++asked;
      return fails ? absl::UnavailableError("down") : absl::OkStatus();
    };
    oracle->on_describe = [this] {
      absl::MutexLock lock(&mu);
      ++described;
      return fails ? absl::UnavailableError("down") : absl::OkStatus();
    };
  }
  void AwaitDescribed(int times) {
    absl::MutexLock lock(&mu);
    const auto reached = [this, times]()
                             ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) { return described >= times; };
    mu.Await(absl::Condition(&reached));
  }

  std::atomic<bool> fails = false;
  std::atomic<int> asked = 0;
  absl::Mutex mu;
  int described ABSL_GUARDED_BY(mu) = 0;
  std::unique_ptr<ScriptedOracle> oracle;
};

CircuitOptions Options(int failures, absl::Duration open) {
  CircuitOptions options;
  options.failures = failures;
  options.open = options.longest = open;
  return options;
}

class ReplicaSetTest : public testing::Test {
 protected:
  std::unique_ptr<ReplicaSet> Make(const CircuitOptions& options) {
    std::vector<OracleReplica> list;
    list.push_back({"a:1", std::move(a_.oracle)});
    list.push_back({"b:1", std::move(b_.oracle)});
    return std::make_unique<ReplicaSet>("docking", std::move(list), options, NullLog());
  }
  static absl::Status Ask(ReplicaSet& set) {
    return set.Evaluate(NumberRequest("a", {"1"})).status();
  }

  Replica a_, b_;
};

TEST_F(ReplicaSetTest, ReplicasTakeTurns) {
  const auto set = Make(Options(2, absl::Hours(1)));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(Ask(*set).ok());
  EXPECT_EQ(a_.asked, 5);
  EXPECT_EQ(b_.asked, 5);
}

TEST_F(ReplicaSetTest, AFailingReplicaIsLeftAloneAndTheOtherGetsAll) {
  a_.fails = true;
  const auto set = Make(Options(2, absl::Hours(1)));
  int failed = 0;
  for (int i = 0; i < 20; ++i) failed += Ask(*set).ok() ? 0 : 1;
  EXPECT_EQ(failed, 2);
  EXPECT_EQ(a_.asked, 2);
  EXPECT_EQ(b_.asked, 18);
  EXPECT_EQ(set->circuits_open(), 1);
}

TEST_F(ReplicaSetTest, WithAllOpenNobodyIsAskedAndTheAnswerSaysWhenNext) {
  a_.fails = b_.fails = true;
  const auto set = Make(Options(1, absl::Hours(1)));
  EXPECT_THAT(std::string(Ask(*set).message()), HasSubstr("replica a:1: down"));
  EXPECT_THAT(std::string(Ask(*set).message()), HasSubstr("replica b:1: down"));
  const absl::Status status = Ask(*set);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(status), kReasonCircuitOpen);
  EXPECT_THAT(std::string(status.message()), HasSubstr("the next probe is in"));
  EXPECT_EQ(a_.asked + b_.asked, 2);
}

TEST_F(ReplicaSetTest, AProbeBringsItBackWithoutAnyRequest) {
  a_.fails = true;
  const auto set = Make(Options(1, absl::Milliseconds(1)));
  EXPECT_FALSE(Ask(*set).ok());
  a_.AwaitDescribed(3);  // Probes that failed; it stays open.
  EXPECT_EQ(set->circuits_open(), 1);
  a_.fails = false;
  while (set->circuits_open() > 0) std::this_thread::yield();
  const int before = a_.asked;
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(Ask(*set).ok());
  EXPECT_EQ(a_.asked, before + 2);
}

TEST_F(ReplicaSetTest, FaultsOfTheRequestItselfOpenNothing) {
  a_.oracle->spoil = b_.oracle->spoil = [](const v1::EvaluateRequest&, v1::EvaluateResponse&) {
    return absl::InvalidArgumentError("objects: what is that");
  };
  const auto set = Make(Options(1, absl::Hours(1)));
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(Ask(*set).code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(set->circuits_open(), 0);
}

TEST_F(ReplicaSetTest, ReplicasThatAreNotTheSameOracleAreFoundAtTheFirstDescribe) {
  b_.oracle->fingerprint = "numbers/2";
  const auto set = Make(Options(1, absl::Hours(1)));
  const absl::Status status = set->Describe({}).status();
  EXPECT_EQ(ReasonOf(status), kReasonFingerprintChanged);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("a:1 is \"numbers/1\", b:1 is \"numbers/2\""));
}

TEST_F(ReplicaSetTest, OneReplicaThatIsUpIsEnoughToBegin) {
  a_.fails = true;
  const auto set = Make(Options(5, absl::Hours(1)));
  EXPECT_TRUE(set->Describe({}).ok());
}

// The same against real servers, one of which comes and goes.
TEST(ReplicaSetOverSockets, AServerThatGoesAndComesBackCostsOnlyItsOwnFailures) {
  ScriptedOracle oracle;
  RewardRpc rpc(oracle, NullLog());
  Metrics metrics("test");
  const auto start = [&](const std::string& listen) {
    return *RpcServer::Start(
        {.listen = listen}, {&rpc}, [](v1::GetStatusResponse&) {}, metrics, NullLog());
  };
  const auto steady = start("127.0.0.1:0");
  auto fickle = start("127.0.0.1:0");
  const std::string address = fickle->address();
  std::vector<OracleReplica> replicas;
  for (const std::string& each : {steady->address(), address}) {
    RemoteClientOptions client;
    client.call_timeout = absl::Seconds(30);
    replicas.push_back({each, std::make_unique<CheckedOracle>(std::make_unique<RemoteReward>(
                                  *MakeChannel("test", each, {}), client))});
  }
  ReplicaSet set("numbers", std::move(replicas), Options(2, absl::Milliseconds(5)), NullLog());
  const auto ask = [&set] { return set.Evaluate(NumberRequest("a", {"1"})); };
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(ask().ok());
  fickle.reset();
  int failed = 0;
  while (set.circuits_open() == 0) failed += ask().ok() ? 0 : 1;
  EXPECT_EQ(failed, 2);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(ask().ok());
  fickle = start(address);
  while (set.circuits_open() > 0) std::this_thread::yield();
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(ask().ok());
}

}  // namespace
}  // namespace anabranch
