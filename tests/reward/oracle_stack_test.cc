#include "reward/oracle_stack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "reward/reward_rpc.h"
#include "runtime/error_reason.h"
#include "runtime/rpc/server.h"
#include "tests/reward/gateway/scripted_oracle.h"

namespace anabranch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kObjects[] = "anabranch.hypergrid.v1";

// An oracle of the user's own, as a server on loopback.
struct OracleServer {
  explicit OracleServer(std::vector<std::string> objectives) : oracle(std::move(objectives)) {
    oracle.formats = {};  // Any.
  }
  std::string Start(const std::string& listen = "127.0.0.1:0") {
    server = *RpcServer::Start(
        {.listen = listen}, {&rpc}, [](v1::GetStatusResponse&) {}, metrics, NullLog());
    server->SetServing();
    return server->address();
  }

  ScriptedOracle oracle;
  RewardRpc rpc{oracle, NullLog()};
  Metrics metrics{"test"};
  std::unique_ptr<RpcServer> server;
};

v1::OracleConfig& AddOracle(v1::RunConfig& config, const std::string& name,
                            const std::string& address) {
  v1::OracleConfig& oracle = *config.mutable_reward()->add_oracles();
  oracle.set_name(name);
  oracle.mutable_grpc()->add_addresses(address);
  oracle.set_batch_objects(8);
  oracle.set_max_wait_seconds(0.0005);
  oracle.set_max_in_flight(4);
  oracle.set_timeout_seconds(30);
  oracle.set_max_tries(3);
  oracle.mutable_circuit()->set_failures(1000);
  oracle.mutable_circuit()->set_open_seconds(0.01);
  return oracle;
}

class OracleStackTest : public testing::Test {
 protected:
  OracleStackTest() {
    v1::HypergridConfig& grid = *config_.mutable_environment()->mutable_hypergrid();
    grid.set_dimensions(2);
    grid.set_side(8);
    for (const char* name : {"qed", "affinity"}) {
      config_.mutable_reward_shaping()->add_objectives()->set_name(name);
    }
    format_ = kObjects;
  }
  ~OracleStackTest() override {
    if (!state_.empty()) std::filesystem::remove_all(state_);
  }

  void AddBoth() {
    AddOracle(config_, "chem", chem_.Start());
    AddOracle(config_, "dock", dock_.Start());
  }
  absl::StatusOr<std::unique_ptr<OracleStack>> Make() {
    OracleStackOptions options;
    options.state = state_;
    return OracleStack::Create(config_, options, metrics_, NullLog());
  }
  // Ready to be asked.
  std::unique_ptr<OracleStack> Ready() {
    auto stack = Make();
    EXPECT_TRUE(stack.ok()) << stack.status();
    const absl::Status status =
        (*stack)->AwaitOracles([](absl::Duration, absl::string_view) { return false; });
    EXPECT_TRUE(status.ok()) << status;
    format_ = (*stack)->top().Describe({})->accepted_formats(0);
    return *std::move(stack);
  }
  void KeepState() {
    std::string path = testing::TempDir() + "/oracle_stack_XXXXXX";
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    state_ = path;
  }
  v1::EvaluateRequest Ask(const std::string& id, const std::vector<std::string>& objects) {
    v1::EvaluateRequest request = NumberRequest(id, objects, {"qed", "affinity"});
    request.set_format(format_);
    return request;
  }
  static std::map<std::string, double> Totals(const OracleStack& stack) {
    v1::GetStatusResponse response;
    stack.Describe(response);
    std::map<std::string, double> totals;
    for (const v1::Total& total : response.totals()) totals[total.name()] = total.value();
    return totals;
  }
  static void ExpectAccountCloses(const OracleStack& stack) {
    const auto totals = Totals(stack);
    double sum = 0;
    for (const char* part : {"evaluated", "cached", "invalid", "failed", "retryable",
                             "answered_pending", "budget_exhausted", "refused"}) {
      sum += totals.at(part);
    }
    EXPECT_EQ(sum, totals.at("asked"));
    EXPECT_GT(sum, 0);
  }

  OracleServer chem_{{"qed", "sa"}}, dock_{{"affinity"}};
  v1::RunConfig config_;
  std::string state_, format_;
  Metrics metrics_{"reward"};
};

TEST_F(OracleStackTest, ObjectivesOfTwoServersComeAsOneAnswerAndAreAskedForOnce) {
  AddBoth();
  const auto stack = Ready();
  const auto answer = stack->top().Evaluate(Ask("a", {"1", "2", "1", "x"}));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->objectives(), ElementsAre("qed", "affinity"));
  const auto ok = v1::OBJECT_STATUS_OK;
  EXPECT_THAT(answer->statuses(), ElementsAre(ok, ok, ok, v1::OBJECT_STATUS_INVALID));
  for (int i = 0; i < 6; ++i) EXPECT_EQ(answer->raw_values(i), i / 2 == 1 ? 2 : 1);
  ASSERT_TRUE(stack->top().Evaluate(Ask("b", {"2", "1"})).ok());
  for (ScriptedOracle* oracle : {&chem_.oracle, &dock_.oracle}) {
    int objects = 0;
    for (const auto& request : oracle->requests()) objects += request.objects_size();
    EXPECT_EQ(objects, 3);
  }
  EXPECT_EQ(Totals(*stack)["asked"], 6);
  EXPECT_EQ(Totals(*stack)["invalid"], 1);
  ExpectAccountCloses(*stack);
  EXPECT_THAT(metrics_.Text(),
              HasSubstr("anabranch_reward_upstream_items_total{oracle=\"chem\",status=\"ok\"} 2"));
}

TEST_F(OracleStackTest, ItWaitsForAnOracleThatIsNotUpYet) {
  const std::string address = chem_.Start();
  chem_.server.reset();
  AddOracle(config_, "chem", address).add_objectives("qed");
  AddOracle(config_, "dock", dock_.Start());
  const auto stack = Make();
  ASSERT_TRUE(stack.ok()) << stack.status();
  int pauses = 0;
  const absl::Status status =
      (*stack)->AwaitOracles([&](absl::Duration, absl::string_view waits_for) {
        EXPECT_THAT(std::string(waits_for), HasSubstr("chem"));
        if (++pauses == 2) chem_.Start(address);
        return true;
      });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_GE(pauses, 2);
  EXPECT_TRUE((*stack)->AwaitOracles([](absl::Duration, absl::string_view) { return false; }).ok());
}

TEST_F(OracleStackTest, WhatWaitingDoesNotMendEndsTheWait) {
  AddBoth();
  config_.mutable_reward_shaping()->add_objectives()->set_name("logp");
  const absl::Status status =
      (*Make())->AwaitOracles([](absl::Duration, absl::string_view) { return true; });
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no oracle computes \"logp\""));
}

TEST_F(OracleStackTest, ASpentBudgetIsAStatusPerObjectAndOutlivesTheProcess) {
  KeepState();
  AddBoth();
  config_.mutable_reward()->mutable_budget()->set_max_evaluations(6);  // 3 objects, 2 oracles.
  {
    const auto stack = Ready();
    ASSERT_TRUE(stack->top().Evaluate(Ask("a", {"1", "2"})).ok());
    EXPECT_EQ(Totals(*stack)["budget_used"], 4);
    EXPECT_EQ(Totals(*stack)["budget_left"], 2);
  }
  const auto stack = Ready();
  // What is known costs nothing, also after a restart.
  EXPECT_THAT(stack->top().Evaluate(Ask("b", {"2", "1"}))->from_cache(), ElementsAre(true, true));
  EXPECT_EQ(Totals(*stack)["budget_used"], 4);
  ASSERT_TRUE(stack->top().Evaluate(Ask("c", {"3"})).ok());
  const auto answer = stack->top().Evaluate(Ask("d", {"1", "4"}));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->statuses(),
              ElementsAre(v1::OBJECT_STATUS_OK, v1::OBJECT_STATUS_BUDGET_EXHAUSTED));
  EXPECT_THAT(answer->reasons(1), HasSubstr("reward.budget.max_evaluations"));
  EXPECT_EQ(answer->budget().evaluations_left(), 0u);
  EXPECT_EQ(answer->budget().evaluations_used(), 6u);
  EXPECT_EQ(stack->top().Describe({})->budget().evaluations_used(), 6u);
  ExpectAccountCloses(*stack);
}

TEST_F(OracleStackTest, AChangedFingerprintStopsTheRunUnlessItIsAllowed) {
  KeepState();
  AddBoth();
  ASSERT_TRUE(Ready()->top().Evaluate(Ask("a", {"1"})).ok());
  dock_.oracle.fingerprint = "numbers/2";
  const absl::Status status =
      (*Make())->AwaitOracles([](absl::Duration, absl::string_view) { return true; });
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), kReasonFingerprintChanged);
  EXPECT_THAT(std::string(status.message()), HasSubstr("numbers/1"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("numbers/2"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("reward.allow_fingerprint_change"));
  config_.mutable_reward()->set_allow_fingerprint_change(true);
  EXPECT_TRUE(Ready()->top().Evaluate(Ask("a", {"1"})).ok());
}

TEST_F(OracleStackTest, PendingIsKeptAcrossARestartAndAskedAgainByTheOraclesOwnTicket) {
  KeepState();
  std::atomic<bool> done = false;
  dock_.oracle.spoil = [&](const v1::EvaluateRequest& request, v1::EvaluateResponse& answer) {
    for (int i = 0; i < request.objects_size(); ++i) {
      const bool answers = done && request.objects(i).ticket() == "lab-7";
      answer.add_tickets(answers ? "" : "lab-7");
      answer.add_retry_after_millis(0);
      if (!answers) answer.set_statuses(i, v1::OBJECT_STATUS_PENDING);
    }
    return absl::OkStatus();
  };
  AddBoth();
  std::string ticket;
  {
    const auto stack = Ready();
    const auto answer = stack->top().Evaluate(Ask("a", {"1"}));
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_THAT(answer->statuses(), ElementsAre(v1::OBJECT_STATUS_PENDING));
    ticket = answer->tickets(0);
    EXPECT_EQ(ticket.size(), 32u);
    EXPECT_EQ(Totals(*stack)["pending"], 1);
    EXPECT_EQ(Totals(*stack)["budget_outstanding"], 1);
  }
  done = true;
  const auto stack = Ready();
  EXPECT_EQ(Totals(*stack)["pending"], 1);
  auto poll = Ask("b", {"1"});
  poll.mutable_objects(0)->set_ticket(ticket);
  absl::StatusOr<v1::EvaluateResponse> answer = stack->top().Evaluate(poll);
  // The cache keeps to its own least time between two polls.
  while (answer.ok() && answer->statuses(0) == v1::OBJECT_STATUS_PENDING) {
    std::this_thread::yield();
    answer = stack->top().Evaluate(poll);
  }
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->statuses(), ElementsAre(v1::OBJECT_STATUS_OK));
  EXPECT_EQ(Totals(*stack)["pending"], 0);
  EXPECT_EQ(Totals(*stack)["budget_outstanding"], 0);
  ExpectAccountCloses(*stack);
}

// Misbehaves in every way that an answer can, at random.
absl::Status Misbehave(uint32_t draw, v1::EvaluateResponse& answer) {
  switch (draw % 12) {
    case 0:
      return absl::UnavailableError("restarting");
    case 1:
      return absl::ResourceExhaustedError(std::string(5000, 'x'));
    case 2:
      answer.mutable_statuses()->RemoveLast();
      break;
    case 3:
      answer.set_raw_values(0, std::numeric_limits<double>::quiet_NaN());
      break;
    case 4:
      answer.set_request_id("another");
      break;
    case 5:
      for (int i = 0; i < answer.statuses_size(); ++i) answer.add_reasons(std::string(9999, '?'));
      answer.set_statuses(0, v1::OBJECT_STATUS_RETRYABLE);
      break;
    case 6:
      answer.MergeFrom(v1::EvaluateResponse(answer));  // Everything twice.
      break;
    case 7:
      answer.set_statuses(0, v1::OBJECT_STATUS_PENDING);  // Without a ticket.
      break;
    default:
      break;
  }
  return absl::OkStatus();
}

TEST_F(OracleStackTest, EveryObjectIsAccountedForHoweverTheOraclesMisbehave) {
  std::atomic<uint32_t> draws = 0;
  const auto spoil = [&](const v1::EvaluateRequest&, v1::EvaluateResponse& answer) {
    return Misbehave(std::minstd_rand(++draws * 7919)() / 64, answer);
  };
  chem_.oracle.spoil = dock_.oracle.spoil = spoil;
  AddBoth();
  const auto stack = Ready();
  std::vector<std::thread> actors;
  for (int actor = 0; actor < 4; ++actor) {
    actors.emplace_back([&, actor] {
      for (int k = 0; k < 50; ++k) {
        std::vector<std::string> objects;
        for (int i = 0; i < 1 + k % 20; ++i) {
          objects.push_back(i % 7 == 6 ? absl::StrCat("bad-", i % 2)
                                       : absl::StrCat((actor * 31 + k * 7 + i) % 150));
        }
        const auto answer = stack->top().Evaluate(Ask(absl::StrCat(actor, "-", k), objects));
        if (!answer.ok()) continue;
        ASSERT_EQ(answer->statuses_size(), static_cast<int>(objects.size()));
        for (int i = 0; i < answer->statuses_size(); ++i) {
          if (answer->statuses(i) != v1::OBJECT_STATUS_OK) continue;
          // The right value, or none: never another object's.
          EXPECT_EQ(absl::StrCat(answer->raw_values(2 * i)), objects[i]);
          EXPECT_EQ(absl::StrCat(answer->raw_values(2 * i + 1)), objects[i]);
        }
      }
    });
  }
  for (std::thread& actor : actors) actor.join();
  ExpectAccountCloses(*stack);
  EXPECT_GT(Totals(*stack)["evaluated"], 0);
  EXPECT_GT(Totals(*stack)["cached"], 0);
}

TEST_F(OracleStackTest, CancelEndsThoseWhoWaitForAnOracleThatHangs) {
  absl::Notification entered, leave;
  dock_.oracle.spoil = [&](const v1::EvaluateRequest&, v1::EvaluateResponse&) {
    if (!entered.HasBeenNotified()) entered.Notify();
    leave.WaitForNotification();
    return absl::OkStatus();
  };
  AddBoth();
  const auto stack = Ready();
  absl::Status status;
  std::thread caller([&] { status = stack->top().Evaluate(Ask("a", {"1"})).status(); });
  entered.WaitForNotification();
  stack->Cancel();
  caller.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled) << status;
  leave.Notify();
}

TEST_F(OracleStackTest, TheBuiltInRewardIsServedAsBeforeAndMayHaveABudget) {
  config_.clear_reward_shaping();
  config_.mutable_reward()->mutable_hypergrid();
  v1::HypergridConfig& grid = *config_.mutable_environment()->mutable_hypergrid();
  grid.set_r0(0.1), grid.set_r1(0.5), grid.set_r2(2);
  const auto stack = Make();
  ASSERT_TRUE(stack.ok()) << stack.status();
  EXPECT_FALSE((*stack)->top().Describe({})->has_budget());
  v1::EvaluateRequest request;
  request.set_request_id("a");
  request.set_format((*stack)->top().Describe({})->accepted_formats(0));
  for (const char* cell : {"1 1", "2 1", "1 1"}) request.add_objects()->set_inline_(cell);
  const auto free = (*stack)->top().Evaluate(request);
  ASSERT_TRUE(free.ok()) << free.status();
  const auto ok = v1::OBJECT_STATUS_OK;
  EXPECT_THAT(free->statuses(), ElementsAre(ok, ok, ok));
  config_.mutable_reward()->mutable_budget()->set_max_evaluations(1);
  const auto limited = Make();
  ASSERT_TRUE(limited.ok()) << limited.status();
  EXPECT_EQ((*limited)->top().Describe({})->budget().evaluations_left(), 1u);
  const auto answer = (*limited)->top().Evaluate(request);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->statuses(), ElementsAre(ok, v1::OBJECT_STATUS_BUDGET_EXHAUSTED, ok));
  EXPECT_EQ(answer->raw_values(0), free->raw_values(0));
}

}  // namespace
}  // namespace anabranch
