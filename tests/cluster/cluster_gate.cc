#include "tests/cluster/cluster_gate.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"
#include "runtime/config.h"
#include "runtime/file_system.h"
#include "tests/cluster/cutting_proxy.h"
#include "tests/cluster/hostile_oracle.h"
#include "tests/cluster/ledgers.h"
#include "tests/cluster/test_cluster.h"

namespace anabranch {
namespace {

// What the configurations under test say about pacing and windows; set for all processes, so that
// the bounds below follow from what stands here.
constexpr int kBatch = 16;          // learner.batch_trajectories, and the actors'.
constexpr int kPendingBatches = 2;  // actor.max_pending_batches.
constexpr int kPrefetch = 2;        // learner.prefetch_batches.
constexpr int kBuildThreads = 1;    // learner.build_threads.

// A quarter of the answers are spoilt, in each of the ways.
constexpr double kSpoiltShare = 0.25;
constexpr absl::Duration kLongestDelay = absl::Milliseconds(5);
// Some hundred calls.
constexpr int64_t kLongestLifeBytes = 1 << 20;

// The oracle, and two ways to it.
struct Hostile {
  explicit Hostile(const v1::RunConfig& config)
      : oracle(config, kSpoiltShare, kLongestDelay, 1),
        near(oracle.port(), kLongestLifeBytes, 2),
        far(oracle.port(), kLongestLifeBytes, 3) {}

  // The truth beside it stands in the configuration already, by default.
  std::vector<std::string> Settings() const {
    return {"reward.hypergrid={}", "reward_shaping.objectives=[{name: reward}]",
            absl::StrCat("reward.oracles=[{name: hostile, timeout_seconds: 0.2, "
                         "circuit: {open_seconds: 0.05}, grpc: {addresses: ['127.0.0.1:",
                         near.port(), "', '127.0.0.1:", far.port(), "']}}]")};
  }

  HostileOracle oracle;
  CuttingProxy near, far;
};

std::unique_ptr<Hostile> MakeHostile(const ClusterGate& gate) {
  if (!gate.hostile_oracle) return nullptr;
  const auto config = LoadRunConfig(*PosixFileSystem(), JoinPath("configs", gate.config), {});
  EXPECT_TRUE(config.ok()) << config.status();
  return std::make_unique<Hostile>(*config);
}

std::vector<std::string> Settings(const ClusterGate& gate, const Hostile* hostile) {
  std::vector<std::string> set = {
      absl::StrCat("learner.batch_trajectories=", kBatch),
      absl::StrCat("actor.max_pending_batches=", kPendingBatches),
      absl::StrCat("learner.prefetch_batches=", kPrefetch),
      absl::StrCat("learner.build_threads=", kBuildThreads),
      absl::StrCat("learner.max_steps=", gate.max_steps),
      "actor.rollout_trajectories=0",
      "threads=1",
  };
  if (gate.faults) {
    // A dead learner's batches come back soon, and its successor has little to do again.
    set.push_back("replay.lease_timeout_seconds=2");
    set.push_back("actor.reward_timeout_seconds=2");
    set.push_back(absl::StrCat("learner.checkpoint.every_steps=", gate.max_steps / 20));
  }
  if (hostile != nullptr) {
    const std::vector<std::string> oracles = hostile->Settings();
    set.insert(set.end(), oracles.begin(), oracles.end());
  }
  set.insert(set.end(), gate.set.begin(), gate.set.end());
  return set;
}

class GateRun {
 public:
  explicit GateRun(const ClusterGate& gate)
      : gate_(gate),
        hostile_(MakeHostile(gate)),
        cluster_(gate.config, Settings(gate, hostile_.get())) {}

  void Run() {
    // A grid has few objects: with a cache the oracle would soon have said all that it can.
    if (hostile_ != nullptr) cluster_.AddArguments("reward", {"--cache-objects", "0"});
    cluster_.StartAll(gate_.actors);
    if (hostile_ != nullptr) {
      for (const int quarter : {1, 2, 3}) {
        cluster_.AwaitStep(quarter * gate_.max_steps / 4);
        if (testing::Test::HasFailure()) return;
        hostile_->oracle.Restart();
      }
    }
    if (gate_.faults) {
      for (const int quarter : {1, 2, 3}) {
        InjectFaults(quarter * gate_.max_steps / 4);
        if (testing::Test::HasFailure()) return;
      }
    }
    const ExitStatus learner = cluster_.AwaitEnd("learner");
    ASSERT_TRUE(learner.ok()) << ToString(learner) << "\n" << cluster_.Log("learner");
    EndOthers();
    CheckBounds();
    CheckCounts();
    CheckRewards();
    if (!gate_.faults && hostile_ == nullptr) CheckVersionLag();
  }

 private:
  void InjectFaults(uint64_t step) {
    cluster_.AwaitStep(step);
    cluster_.Kill(cluster_.RunningActors().front());
    ++killed_actors_;
    cluster_.AddActor();

    cluster_.Signal("reward", SIGSTOP);
    // The fault is 5 s long by its definition; nothing is expected to happen in them.
    const absl::Time end = absl::Now() + absl::Seconds(5);
    cluster_.AwaitStatus("replay", [end](const auto&) { return absl::Now() >= end; });
    cluster_.Signal("reward", SIGCONT);

    const uint64_t before = cluster_.AwaitStep(0).policy().generation();
    cluster_.Kill("learner");
    ++killed_learners_;
    cluster_.StartAndAwait("learner");
    // Fenced off by a higher generation; this never comes true for a learner that is not.
    const v1::GetStatusResponse resumed =
        cluster_.AwaitStatus("learner", [before](const v1::GetStatusResponse& status) {
          return status.policy().generation() > before && status.training().step() > 0;
        });
    EXPECT_GT(resumed.training().first_step(), 0u) << "the learner began anew";

    const uint64_t inserts = Acknowledged();
    const ExitStatus drained = cluster_.EndInOrder("replay");
    EXPECT_TRUE(drained.ok()) << ToString(drained) << "\n" << cluster_.Log("replay");
    cluster_.StartAndAwait("replay");
    // Nothing acknowledged is lost, and work goes on.
    EXPECT_GE(Acknowledged(), inserts);
    cluster_.AwaitInfo([inserts](const v1::GetInfoResponse& info) {
      return info.acknowledged_trajectories() > inserts + 2 * kBatch;
    });
  }

  uint64_t Acknowledged() {
    return cluster_.AwaitInfo([](const auto&) { return true; }).acknowledged_trajectories();
  }

  // Actors first, so that what replay holds no longer changes.
  void EndOthers() {
    for (const std::string& actor : cluster_.RunningActors()) {
      const ExitStatus status = cluster_.EndInOrder(actor);
      EXPECT_TRUE(status.ok()) << actor << ": " << ToString(status) << "\n" << cluster_.Log(actor);
    }
    // The learner has given back what it had fetched ahead.
    info_ = cluster_.AwaitInfo(
        [](const v1::GetInfoResponse& info) { return info.tables(0).leased() == 0; });
    EXPECT_TRUE(cluster_.EndInOrder("replay").ok()) << cluster_.Log("replay");
    reward_ = cluster_.AwaitStatus("reward", [](const auto&) { return true; });
    EXPECT_TRUE(cluster_.EndInOrder("reward").ok()) << cluster_.Log("reward");
  }

  std::vector<nlohmann::json> Metrics() const {
    std::vector<nlohmann::json> lines;
    std::istringstream text(
        PosixFileSystem()->Read(JoinPath(cluster_.directory(), "metrics.jsonl")).value_or(""));
    for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
  }

  void CheckBounds() const {
    const std::vector<nlohmann::json> lines = Metrics();
    for (const ClusterBound& bound : gate_.bounds) {
      const std::string what =
          absl::StrCat(bound.metric, " within ", bound.within_trajectories, " trajectories");
      std::optional<double> value;
      for (const nlohmann::json& line : lines) {
        if (line["trajectories"] <= bound.within_trajectories) value = line.at(bound.metric);
      }
      ASSERT_TRUE(value.has_value()) << "no evaluation for " << what;
      std::cout << gate_.name << ": " << what << ": " << *value << "\n";
      if (bound.at_most.has_value()) {
        EXPECT_LE(*value, *bound.at_most) << what;
      }
      if (bound.at_least.has_value()) {
        EXPECT_GE(*value, *bound.at_least) << what;
      }
    }
  }

  // Every trajectory that an actor saw acknowledged was trained on or is still in replay; none
  // twice, but for what a killed learner had not acknowledged.
  void CheckCounts() const {
    const Ledgers ledgers = ReadLedgers(cluster_.directory());
    std::set<TrajectoryId> known;  // To be in replay's books, by whatever ledger.
    for (const auto& [id, times] : ledgers.acknowledged) {
      EXPECT_EQ(times, 1) << "actor " << id.first << " noted trajectory " << id.second;
      known.insert(id);
    }
    const std::map<TrajectoryId, int> trained = GenerationsOf(ledgers);
    uint64_t unnoted = 0, twice = 0;
    for (const auto& [id, generations] : trained) {
      if (known.insert(id).second) ++unnoted;
      if (generations > 1) ++twice;
    }
    for (uint64_t generation = 1; generation <= killed_learners_ + 1; ++generation) {
      for (const auto& [id, times] : TrainedIn(ledgers, generation)) {
        ASSERT_EQ(times, 1) << id.first << "/" << id.second << " in generation " << generation;
      }
    }
    // A killed actor may not have noted the acknowledgements of its last batches.
    const uint64_t lost_lines = killed_actors_ * kPendingBatches * kBatch;
    EXPECT_LE(unnoted, lost_lines);
    EXPECT_GE(info_.acknowledged_trajectories(), known.size());
    EXPECT_LE(info_.acknowledged_trajectories(), known.size() + lost_lines);
    // A killed learner has noted a batch, and trained on it, before it could acknowledge it.
    EXPECT_LE(twice, killed_learners_ * (kPrefetch + kBuildThreads + 1) * kBatch);
    const v1::TableInfo& table = info_.tables(0);
    EXPECT_EQ(table.inserts(), info_.acknowledged_trajectories());
    EXPECT_EQ(table.inserts(), table.samples() + table.items());
    // What was acknowledged and not trained on is still there.
    EXPECT_EQ(table.inserts() - table.items(), trained.size());
    std::cout << gate_.name << ": " << table.inserts() << " inserted, " << trained.size()
              << " trained on (" << twice << " by two learners), " << table.items() << " left, "
              << unnoted << " acknowledged without a note\n";
  }

  double RewardTotal(absl::string_view name) const {
    for (const v1::Total& total : reward_.totals()) {
      if (total.name() == name) return total.value();
    }
    ADD_FAILURE() << "the reward service tells no total '" << name << "'";
    return 0;
  }

  // What was asked was evaluated, or was known, or it is said what became of it.
  void CheckRewards() const {
    double sum = 0;
    for (const char* outcome : {"evaluated", "cached", "invalid", "failed"}) {
      sum += RewardTotal(outcome);
    }
    // Those that were asked about again are in `asked` twice.
    for (const char* later : {"retryable", "answered_pending", "budget_exhausted", "refused"}) {
      sum += RewardTotal(later);
    }
    EXPECT_EQ(RewardTotal("asked"), sum);
    EXPECT_GT(RewardTotal("cached"), 0);
    if (hostile_ == nullptr) return;
    std::map<Hostility, int64_t> done = hostile_->oracle.done();
    for (int how = 0; how <= static_cast<int>(Hostility::kPendingObjects); ++how) {
      EXPECT_GT(done[static_cast<Hostility>(how)], 0) << "hostility " << how << " never happened";
    }
    EXPECT_GT(RewardTotal("failed"), 0);
    for (const CuttingProxy* proxy : {&hostile_->near, &hostile_->far}) {
      std::cout << gate_.name << ": " << proxy->resets() << " connections reset, "
                << proxy->half_closed() << " half closed, " << proxy->silent() << " silent\n";
      EXPECT_GT(proxy->resets(), 0);
      EXPECT_GT(proxy->half_closed(), 0);
    }
  }

  // How many versions old a trajectory may be when it is trained on, where publish_every_steps is
  // 1 and nobody stands still. From the moment in which its actor takes the newest snapshot:
  //  - each actor has one batch being rolled out and kPendingBatches waiting, all of which replay
  //    may admit before this one;
  //  - replay holds at most the table's error buffer of (kPendingBatches + 1) batches and 1, plus
  //    the set point of 1: kPendingBatches + 2 batches;
  //  - the learner's stream has kPrefetch batches on their way and replay one drawn for it, its
  //    pipeline kPrefetch prepared or being prepared and one in its fetching hand, and 1 is in
  //    training.
  // Each batch is a step, and so a version. The snapshot itself is old already: it went through
  // four hands (serialised, stored, fetched, decoded), in each of which it may have waited for one
  // before it, a step or two each.
  // What pacing doesn't bound is how long a process may stand still where there are more of them
  // than cores: the others may go round in that time. So the bound holds on average, twice of it
  // for all but a hundredth of the trajectories, and for each if as many steps as a learner does
  // in a slice or two of the scheduler's are added. Without any broadcast the lag would come near
  // to the steps of the run.
  void CheckVersionLag() const {
    constexpr int kSnapshot = 4 * 2;
    constexpr int kSlices = 200;
    const int bound = gate_.actors * (1 + kPendingBatches) + (kPendingBatches + 2) +
                      (2 * kPrefetch + 3) + kSnapshot;
    auto text = PosixFileSystem()->Read(JoinPath(cluster_.directory(), "summary.json"));
    ASSERT_TRUE(text.ok()) << text.status();
    const auto summary = nlohmann::json::parse(*text);
    std::cout << gate_.name << ": version lag mean " << summary.at("version_lag_mean") << ", p99 "
              << summary.at("version_lag_p99") << ", max " << summary.at("version_lag_max")
              << "; bound " << bound << "\n";
    EXPECT_LE(summary.at("version_lag_mean").get<double>(), bound);
    EXPECT_LE(summary.at("version_lag_p99").get<double>(), 2 * bound);
    EXPECT_LE(summary.at("version_lag_max").get<double>(), bound + kSlices);
    EXPECT_GT(summary.at("version_lag_max").get<double>(), 0) << "nothing was measured";
  }

  const ClusterGate& gate_;
  const std::unique_ptr<Hostile> hostile_;
  TestCluster cluster_;
  v1::GetInfoResponse info_;
  v1::GetStatusResponse reward_;
  uint64_t killed_actors_ = 0;
  uint64_t killed_learners_ = 0;
};

}  // namespace

void RunClusterGate(const ClusterGate& gate) { GateRun(gate).Run(); }

}  // namespace anabranch
