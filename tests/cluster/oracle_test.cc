// Costly, slow and changing oracles, and a cluster that has to live with them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "runtime/config.h"
#include "runtime/file_system.h"
#include "tests/cluster/hostile_oracle.h"
#include "tests/cluster/lab_oracle.h"
#include "tests/cluster/ledgers.h"
#include "tests/cluster/test_cluster.h"

namespace anabranch {
namespace {

using ::testing::HasSubstr;

constexpr char kConfig[] = "hypergrid-8x8.yaml";

std::vector<std::string> WithOracle(uint16_t port, std::vector<std::string> more = {}) {
  std::vector<std::string> set = {
      "reward_shaping.objectives=[{name: reward}]",
      absl::StrCat("reward.oracles=[{name: theirs, grpc: {addresses: ['127.0.0.1:", port,
                   "']}, max_wait_seconds: 0}]"),
      "threads=1"};
  set.insert(set.end(), more.begin(), more.end());
  return set;
}

// Answers as the grid's own reward does, without any hostility.
HostileOracle PoliteOracle() {
  const auto config = LoadRunConfig(*PosixFileSystem(), JoinPath("configs", kConfig), {});
  return HostileOracle(*config, 0, absl::ZeroDuration(), 1);
}

double TotalOf(const v1::GetStatusResponse& status, const std::string& name) {
  for (const v1::Total& total : status.totals()) {
    if (total.name() == name) return total.value();
  }
  return -1;
}

nlohmann::json Summary(const TestCluster& cluster) {
  const auto text = PosixFileSystem()->Read(JoinPath(cluster.directory(), "summary.json"));
  EXPECT_TRUE(text.ok()) << text.status();
  return nlohmann::json::parse(text.value_or("{}"));
}

TEST(OracleInACluster, AFingerprintThatChangesStopsTheRunByName) {
  HostileOracle oracle = PoliteOracle();
  TestCluster cluster(kConfig, WithOracle(oracle.port(), {"learner.max_steps=1000000"}));
  cluster.StartAll(1);
  cluster.AwaitStep(20);
  oracle.ChangeFingerprint("-retrained");
  oracle.Restart();
  const ExitStatus actor = cluster.AwaitEnd("actor-0");
  EXPECT_EQ(actor.code, 1);
  EXPECT_THAT(cluster.Log("actor-0"), HasSubstr("-retrained"));
  EXPECT_THAT(cluster.Log("actor-0"), HasSubstr("reward.allow_fingerprint_change"));
  // Nor does a new reward service forget what the run began with.
  cluster.Kill("reward");
  cluster.Start("reward");
  EXPECT_EQ(cluster.AwaitEnd("reward").code, 1);
  EXPECT_THAT(cluster.Log("reward"), HasSubstr("-retrained"));
  EXPECT_THAT(cluster.Log("reward"), HasSubstr("reward.allow_fingerprint_change"));
}

TEST(OracleInACluster, AFingerprintMayChangeWhereThatIsAllowed) {
  HostileOracle oracle = PoliteOracle();
  TestCluster cluster(kConfig, WithOracle(oracle.port(), {"learner.max_steps=1000000",
                                                          "reward.allow_fingerprint_change=true"}));
  cluster.StartAll(1);
  cluster.AwaitStep(20);
  oracle.ChangeFingerprint("-retrained");
  oracle.Restart();
  const uint64_t step = cluster.AwaitStep(0).training().step();
  cluster.AwaitStep(step + 200);
  EXPECT_TRUE(cluster.EndInOrder("actor-0").ok());
  EXPECT_THAT(cluster.Log("actor-0") + cluster.Log("reward"), HasSubstr("-retrained"));
  EXPECT_TRUE(cluster.EndInOrder("learner").ok());
}

TEST(OracleInACluster, ASpentBudgetEndsTheRunInOrderAndIsNeverExceeded) {
  constexpr int kBudget = 50;  // Of 64 objects.
  HostileOracle oracle = PoliteOracle();
  TestCluster cluster(
      kConfig,
      WithOracle(oracle.port(), {absl::StrCat("reward.budget.max_evaluations=", kBudget),
                                 "learner.max_steps=1000000", "actor.exploration.epsilon=0.5"}));
  cluster.StartAll(2);
  cluster.AwaitStatus("reward",
                      [](const auto& status) { return TotalOf(status, "evaluated") > 0; });
  cluster.Kill("reward");  // What it has spent is not forgotten.
  cluster.StartAndAwait("reward");
  const ExitStatus learner = cluster.AwaitEnd("learner");
  EXPECT_TRUE(learner.ok()) << ToString(learner) << "\n" << cluster.Log("learner");
  const nlohmann::json summary = Summary(cluster);
  EXPECT_THAT(summary.value("end_reason", ""), HasSubstr("budget"));
  EXPECT_GT(summary.value("trajectories", 0), 0);
  for (const std::string& actor : cluster.RunningActors()) {
    EXPECT_TRUE(cluster.EndInOrder(actor).ok()) << cluster.Log(actor);
  }
  EXPECT_LE(oracle.objects_answered(), kBudget);
  EXPECT_GE(oracle.objects_answered(), kBudget / 2) << "what was under way counts as spent";
}

TEST(OracleInACluster, PendingObjectsSurviveTheDeathOfActorAndRewardService) {
  LabOracle lab;
  TestCluster cluster(kConfig, WithOracle(lab.port(), {"learner.max_steps=1000000",
                                                       "learner.batch_trajectories=4"}));
  cluster.StartAll(1);
  const auto pending = [](const v1::GetStatusResponse& status) {
    return TotalOf(status, "pending") >= 20;
  };
  cluster.AwaitStatus("actor-0", pending);
  cluster.AwaitStatus("reward", [](const auto& status) { return TotalOf(status, "pending") > 0; });
  cluster.Kill("actor-0");
  cluster.Kill("reward");
  cluster.StartAndAwait("reward");
  cluster.StartAndAwait("actor-0");
  cluster.AwaitStatus("actor-0", pending);
  EXPECT_EQ(lab.orders(), lab.objects_ordered()) << "an object was ordered twice";
  lab.Release();
  cluster.AwaitStep(20);
  cluster.AwaitStatus("actor-0",
                      [](const auto& status) { return TotalOf(status, "pending") == 0; });
  EXPECT_GE(lab.asked_by_ticket(), lab.orders()) << "each order was to be asked for";
  EXPECT_TRUE(cluster.EndInOrder("actor-0").ok()) << cluster.Log("actor-0");
  EXPECT_TRUE(cluster.EndInOrder("learner").ok()) << cluster.Log("learner");
  for (const auto& [id, times] : TrainedIn(ReadLedgers(cluster.directory()), 1)) {
    ASSERT_EQ(times, 1) << id.first << "/" << id.second;
  }
}

}  // namespace
}  // namespace anabranch
