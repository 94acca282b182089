#include "actor/actor_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "nlohmann/json.hpp"
#include "runtime/error_reason.h"
#include "tests/actor/actor_world.h"
#include "tests/actor/lab_oracle.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using ::testing::HasSubstr;

class ActorProcessTest : public testing::Test {
 protected:
  ActorProcessTest() {
    options_.incarnation = world_.identity.incarnation;
    options_.name = "actor-7";
    options_.grace = absl::InfiniteDuration();
    options_.backoff.initial = absl::Microseconds(100);
    options_.backoff.maximum = absl::Milliseconds(1);
    EXPECT_TRUE(world_.weights.Publish(world_.Snapshot(3)).ok());
  }

  std::unique_ptr<ActorProcess> Make() {
    auto process =
        ActorProcess::Create(world_.config, options_, world_.components,
                             *world_.components.MakeModel(world_.config), metrics_, NullLog());
    EXPECT_TRUE(process.ok()) << process.status();
    return *std::move(process);
  }
  static double TotalOf(const ActorProcess& process, const std::string& name) {
    v1::GetStatusResponse response;
    process.Describe(response);
    for (const v1::Total& total : response.totals()) {
      if (total.name() == name) return total.value();
    }
    return 0;
  }
  ActorPeers Peers(RewardClient& reward) {
    return {&reward, nullptr, world_.replay.get(), &world_.weights};
  }

  ActorWorld world_;
  ActorProcessOptions options_;
  Metrics metrics_{"actor"};
};

TEST_F(ActorProcessTest, WhatTheLedgerSaysIsWhatReplayHolds) {
  TemporaryDirectory directory;
  options_.ledger = directory.path() + "/ledger.jsonl";
  HostileOracle oracle(*world_.reward, Honest);
  auto process = Make();
  absl::Status status;
  std::thread runner([&] { status = process->Run("run-a", Peers(oracle), [] {}); });
  oracle.AwaitCalls(10);
  process->Stop();
  runner.join();
  EXPECT_TRUE(status.ok()) << status;
  std::ifstream ledger(options_.ledger);
  std::vector<uint64_t> numbers;
  int64_t sequence = 0;
  for (std::string line; std::getline(ledger, line);) {
    const auto fact = nlohmann::json::parse(line).at("acknowledged");
    EXPECT_EQ(fact.at("incarnation"), "000000000000002a");
    EXPECT_EQ(fact.at("sequence"), ++sequence);
    const std::vector<uint64_t> batch = fact.at("numbers");
    EXPECT_EQ(fact.at("first"), batch[0]);
    numbers.insert(numbers.end(), batch.begin(), batch.end());
  }
  EXPECT_GE(sequence, 10);
  const v1::TrajectoryBatch held = world_.Sample(static_cast<uint32_t>(numbers.size()));
  EXPECT_EQ(
      std::vector<uint64_t>(held.trajectory_numbers().begin(), held.trajectory_numbers().end()),
      numbers);
  EXPECT_EQ(held.sources(0).actor_name(), "actor-7");
}

TEST_F(ActorProcessTest, TellsWhatItHasDoneAlsoWhenItHasEnded) {
  HostileOracle oracle(*world_.reward, Honest);
  auto process = Make();
  v1::GetStatusResponse before;
  process->Describe(before);
  EXPECT_EQ(before.totals_size(), 0);
  std::thread runner([&] { EXPECT_TRUE(process->Run("run-a", Peers(oracle), [] {}).ok()); });
  oracle.AwaitCalls(3);
  process->Stop();
  runner.join();
  v1::GetStatusResponse after;
  process->Describe(after);
  std::map<std::string, double> totals;
  for (const v1::Total& total : after.totals()) totals[total.name()] = total.value();
  EXPECT_GE(totals["trajectories"], 24);
  EXPECT_EQ(totals["acknowledged"], totals["trajectories"]);
  EXPECT_GE(totals["transitions"], totals["trajectories"]);
  EXPECT_EQ(after.policy().version(), 3u);
  ASSERT_EQ(after.waits_size(), 2);
  EXPECT_EQ(after.waits(0).waits_for(), "reward");
  EXPECT_EQ(after.waits(1).waits_for(), "inserts");
  const std::string text = metrics_.Text();
  EXPECT_THAT(text, HasSubstr("anabranch_actor_rollout_seconds_total{stage=\"reward_wait\"}"));
  EXPECT_THAT(text, HasSubstr("anabranch_actor_trajectories_total"));
  EXPECT_THAT(text, HasSubstr("anabranch_actor_pending_batches 0"));
}

// A reward service that starts after the actor.
class LateOracle final : public RewardClient {
 public:
  explicit LateOracle(RewardClient& real) : real_(real) {}
  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override {
    if (++calls_ < 5) return absl::UnavailableError("connection refused");
    return real_.Describe(request);
  }
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override {
    return real_.Evaluate(request);
  }

 private:
  RewardClient& real_;
  int calls_ = 0;
};

TEST_F(ActorProcessTest, WaitsForARewardServiceThatStartsLater) {
  LateOracle oracle(*world_.reward);
  auto process = Make();
  absl::Notification at_work;
  std::thread runner(
      [&] { EXPECT_TRUE(process->Run("run-a", Peers(oracle), [&] { at_work.Notify(); }).ok()); });
  at_work.WaitForNotification();
  process->Stop();
  runner.join();
}

class AbsentOracle final : public RewardClient {
 public:
  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest&) override {
    if (!asked.HasBeenNotified()) asked.Notify();
    return absl::UnavailableError("connection refused");
  }
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest&) override {
    return absl::UnavailableError("connection refused");
  }
  absl::Notification asked;
};

TEST_F(ActorProcessTest, CanBeStoppedWhileItWaits) {
  options_.backoff.initial = options_.backoff.maximum = absl::Hours(10);
  AbsentOracle oracle;
  auto process = Make();
  std::thread runner(
      [&] { EXPECT_TRUE(process->Run("run-a", Peers(oracle), [] { ADD_FAILURE(); }).ok()); });
  oracle.asked.WaitForNotification();
  process->Stop();
  runner.join();
}

TEST_F(ActorProcessTest, AnotherOracleThanTheConfigurationsIsRefusedNamingBoth) {
  auto other =
      *ParseRunConfig("environment: {hypergrid: {dimensions: 2, side: 4, r0: 0.5}}", "other.yaml");
  world_.config = other;
  world_.components = *MakeRunComponents(other);
  auto process = Make();
  const absl::Status status = process->Run("run-a", Peers(*world_.reward), [] { ADD_FAILURE(); });
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), kReasonFingerprintChanged);
  EXPECT_THAT(std::string(status.message()), HasSubstr("r0=0.1"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("r0=0.5"));
}

// An oracle for which everything stays PENDING, for the actors that it leaves behind.
TEST_F(ActorProcessTest, PendingTrajectoriesOutliveTheProcessInItsStateDirectory) {
  TemporaryDirectory directory;
  options_.state = directory.Path("state");
  options_.ledger = directory.Path("ledger.jsonl");
  options_.grace = absl::ZeroDuration();
  double left = 0;
  {
    LabOracle lab(*world_.reward, 1 << 30);
    lab.Open(4);
    auto process = Make();
    std::thread runner([&] {
      const ActorPeers peers = {&lab, [&] { lab.Cancel(); }, world_.replay.get(), &world_.weights};
      EXPECT_TRUE(process->Run("run-a", peers, [] {}).ok());
    });
    while (TotalOf(*process, "pending") == 0) std::this_thread::yield();
    process->Stop();
    runner.join();
    left = TotalOf(*process, "pending");
    EXPECT_GT(TotalOf(*process, "oldest_pending_seconds"), 0);
  }
  ASSERT_GT(left, 0);
  options_.incarnation = 43;
  LabOracle lab(*world_.reward, 0);
  lab.Open(0);
  Metrics metrics("actor");
  auto next = ActorProcess::Create(world_.config, options_, world_.components,
                                   *world_.components.MakeModel(world_.config), metrics, NullLog());
  ASSERT_TRUE(next.ok()) << next.status();
  std::thread runner([&] {
    const ActorPeers peers = {&lab, [&] { lab.Cancel(); }, world_.replay.get(), &world_.weights};
    EXPECT_TRUE((*next)->Run("run-a", peers, [] {}).ok());
  });
  while (TotalOf(**next, "acknowledged") < left) std::this_thread::yield();
  EXPECT_EQ(TotalOf(**next, "pending"), 0);
  EXPECT_EQ(TotalOf(**next, "resolved"), left);
  EXPECT_THAT(metrics.Text(), HasSubstr("anabranch_actor_pending_trajectories 0"));
  (*next)->Stop();
  runner.join();
  // The ledger names those who rolled them out, not those who handed them over.
  std::ifstream ledger(options_.ledger);
  std::set<std::pair<std::string, uint64_t>> ids;
  for (std::string line; std::getline(ledger, line);) {
    const auto fact = nlohmann::json::parse(line).at("acknowledged");
    EXPECT_EQ(fact.at("incarnation"), "000000000000002a");
    for (const uint64_t number : fact.at("numbers")) {
      EXPECT_TRUE(ids.emplace(fact.at("incarnation"), number).second) << number;
    }
  }
  EXPECT_GE(static_cast<double>(ids.size()), left);
}

TEST_F(ActorProcessTest, PendingTrajectoriesOfAnotherRunAreRefusedNamingDirectoryAndBoth) {
  TemporaryDirectory directory;
  options_.state = directory.Path("state");
  {
    LabOracle lab(*world_.reward, 1 << 30);
    auto process = Make();
    std::thread runner([&] { EXPECT_TRUE(process->Run("run-a", Peers(lab), [] {}).ok()); });
    while (TotalOf(*process, "pending") == 0) std::this_thread::yield();
    process->Stop();
    runner.join();
  }
  Metrics metrics("actor");
  auto other =
      ActorProcess::Create(world_.config, options_, world_.components,
                           *world_.components.MakeModel(world_.config), metrics, NullLog());
  ASSERT_TRUE(other.ok()) << other.status();
  const absl::Status status = (*other)->Run("run-b", Peers(*world_.reward), [] { ADD_FAILURE(); });
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  for (const std::string& named : {options_.state, std::string("run-a"), std::string("run-b")}) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(named));
  }
}

TEST_F(ActorProcessTest, AStateDirectoryIsOneActorsAlone) {
  TemporaryDirectory directory;
  options_.state = directory.Path("state");
  auto process = Make();
  Metrics metrics("actor");
  const auto second =
      ActorProcess::Create(world_.config, options_, world_.components,
                           *world_.components.MakeModel(world_.config), metrics, NullLog());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(options_.state));
}

// Only the user's oracles know the values: there is nothing to compare their fingerprint with.
TEST_F(ActorProcessTest, WithoutABuiltInRewardAnyFingerprintIsTaken) {
  world_.components.reward = nullptr;
  HostileOracle oracle(*world_.reward, Honest);
  auto process = Make();
  std::thread runner([&] { EXPECT_TRUE(process->Run("run-a", Peers(oracle), [] {}).ok()); });
  oracle.AwaitCalls(3);
  process->Stop();
  runner.join();
  EXPECT_GE(TotalOf(*process, "acknowledged"), 16);
}

TEST_F(ActorProcessTest, ALedgerThatCannotBeWrittenIsAnErrorAtOnce) {
  options_.ledger = "/no/such/folder/ledger.jsonl";
  const auto process =
      ActorProcess::Create(world_.config, options_, world_.components,
                           *world_.components.MakeModel(world_.config), metrics_, NullLog());
  EXPECT_EQ(process.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(process.status().message()), HasSubstr("/no/such/folder/ledger.jsonl"));
}

}  // namespace
}  // namespace anabranch
