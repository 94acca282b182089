// Actors beside oracles of the user's own: several objectives, a budget, another fingerprint, and
// answers that come later.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "actor/actor.h"
#include "actor/actor_pipeline.h"
#include "actor/pending_trajectories.h"
#include "runtime/error_reason.h"
#include "tests/actor/actor_world.h"
#include "tests/actor/lab_oracle.h"

namespace anabranch {
namespace {

using ::absl::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Evaluates so many objects; the others are beyond its budget. Thread-safe.
class PaidOracle final : public RewardClient {
 public:
  PaidOracle(RewardClient& honest, uint64_t evaluations) : honest_(honest), left_(evaluations) {}

  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override {
    auto description = honest_.Describe(request);
    absl::MutexLock lock(&mu_);
    ++descriptions_;
    if (description.ok()) FillIn(*description->mutable_budget());
    return description;
  }
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override {
    auto answer = honest_.Evaluate(request);
    absl::MutexLock lock(&mu_);
    for (int i = 0; answer.ok() && i < answer->statuses_size(); ++i) {
      if (left_ == 0) {
        answer->set_statuses(i, v1::OBJECT_STATUS_BUDGET_EXHAUSTED);
        ++turned_away_;
      } else {
        --left_;
        ++used_;
      }
    }
    if (answer.ok()) FillIn(*answer->mutable_budget());
    return answer;
  }
  void Raise(uint64_t evaluations) {
    absl::MutexLock lock(&mu_);
    left_ += evaluations;
  }
  void AwaitDescriptions(int descriptions) {
    absl::MutexLock lock(&mu_);
    const auto enough = [this, descriptions]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return descriptions_ >= descriptions;
    };
    mu_.Await(absl::Condition(&enough));
  }
  int64_t turned_away() {
    absl::MutexLock lock(&mu_);
    return turned_away_;
  }

 private:
  void FillIn(v1::RewardBudget& budget) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    budget.set_evaluations_left(left_);
    budget.set_evaluations_used(used_);
  }

  RewardClient& honest_;
  absl::Mutex mu_;
  uint64_t left_ ABSL_GUARDED_BY(mu_);
  uint64_t used_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t turned_away_ ABSL_GUARDED_BY(mu_) = 0;
  int descriptions_ ABSL_GUARDED_BY(mu_) = 0;
};

// Answers its first question as the oracle that it says it is, and from then on as another one.
class ReplacedOracle final : public RewardClient {
 public:
  explicit ReplacedOracle(RewardClient& honest) : honest_(honest) {}
  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override {
    auto description = honest_.Describe(request);
    absl::MutexLock lock(&mu_);
    if (description.ok()) description->set_fingerprint(fingerprint_);
    return description;
  }
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override {
    v1::EvaluateRequest plain = request;
    plain.clear_expected_fingerprint();
    auto answer = honest_.Evaluate(plain);
    absl::MutexLock lock(&mu_);
    fingerprint_ = "grid/new";
    if (request.expected_fingerprint() != fingerprint_) {
      return WithReason(
          absl::FailedPreconditionError("expected_fingerprint: is \"grid/old\", not \"grid/new\""),
          kReasonFingerprintChanged);
    }
    if (answer.ok()) answer->set_fingerprint(fingerprint_);
    return answer;
  }

 private:
  RewardClient& honest_;
  absl::Mutex mu_;
  std::string fingerprint_ ABSL_GUARDED_BY(mu_) = "grid/old";
};

class PluggedOracleTest : public testing::Test {
 protected:
  PluggedOracleTest() : store_(MakeMemoryStore()) {
    EXPECT_TRUE(world_.weights.Publish(world_.Snapshot(0)).ok());
    actor_ = world_.Options();
    options_.backoff.initial = absl::Microseconds(100);
    options_.backoff.maximum = absl::Milliseconds(1);
    options_.budget_poll = absl::Milliseconds(1);
    options_.on_acknowledged = [this](const v1::InsertBatch& batch) {
      absl::MutexLock lock(&mu_);
      trajectories_ += batch.batch().lengths_size();
      fingerprints_.insert(batch.batch().reward_fingerprint());
    };
  }
  ~PluggedOracleTest() override {
    if (pipeline_ != nullptr) pipeline_->Cancel();
    if (thread_.joinable()) thread_.join();
  }

  void KeepPending(int64_t max_trajectories) {
    pending_ = *PendingTrajectories::Open(
        *store_, {world_.identity.run_id, world_.identity.environment_fingerprint,
                  world_.components.shaping->hash(), 4711, max_trajectories});
    options_.pending = pending_.get();
    options_.open_inserts = [this](uint64_t client) {
      v1::InsertOpening opening;
      *opening.mutable_handshake() = world_.Handshake();
      opening.mutable_handshake()->mutable_source()->set_client_incarnation(client);
      return world_.replay->OpenInsert(opening);
    };
  }
  absl::StatusOr<Oracle> Describe(RewardClient& reward) {
    return DescribeOracle(actor_, world_.components.environment->spec(), *world_.components.shaping,
                          reward);
  }
  void Start(RewardClient& reward) {
    auto oracle = Describe(reward);
    ASSERT_TRUE(oracle.ok()) << oracle.status();
    auto pipeline = ActorPipeline::Create(actor_, options_, *world_.components.environment,
                                          *world_.components.MakeModel(world_.config),
                                          *world_.components.shaping, *std::move(oracle), reward,
                                          world_.weights, world_.Inserts(), NullLog());
    ASSERT_TRUE(pipeline.ok()) << pipeline.status();
    pipeline_ = *std::move(pipeline);
    thread_ = std::thread([this] { status_ = pipeline_->Run(); });
  }
  absl::Status StopAndJoin() {
    pipeline_->Stop(absl::InfiniteDuration());
    thread_.join();
    return status_;
  }
  void AwaitTrajectories(int64_t trajectories) {
    absl::MutexLock lock(&mu_);
    const auto enough = [this, trajectories]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return trajectories_ >= trajectories;
    };
    mu_.Await(absl::Condition(&enough));
  }
  int64_t trajectories() {
    absl::MutexLock lock(&mu_);
    return trajectories_;
  }
  std::unique_ptr<Actor> LockStep(RewardClient& reward) {
    auto made = Actor::Create(actor_, *world_.components.environment,
                              *world_.components.MakeModel(world_.config),
                              *world_.components.shaping, reward, world_.weights, world_.Inserts());
    EXPECT_TRUE(made.ok()) << made.status();
    return *std::move(made);
  }
  static void ExpectAllAccountedFor(const ActorState& state) {
    EXPECT_EQ(state.asked,
              state.scored + state.invalid + state.failed + state.budget_exhausted + state.pending);
  }

  ActorWorld world_;
  ActorOptions actor_;
  PipelineOptions options_;
  std::unique_ptr<KeyValueStore> store_;
  std::unique_ptr<PendingTrajectories> pending_;
  absl::Mutex mu_;
  int64_t trajectories_ ABSL_GUARDED_BY(mu_) = 0;
  std::set<std::string> fingerprints_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<ActorPipeline> pipeline_;
  absl::Status status_;
  std::thread thread_;
};

TEST_F(PluggedOracleTest, PendingObjectsHoldUpNeitherTheirBatchNorTheWindow) {
  LabOracle lab(*world_.reward, 1 << 30);
  KeepPending(1'000'000);
  options_.max_pending_batches = 1;
  Start(lab);
  AwaitTrajectories(100);
  EXPECT_TRUE(StopAndJoin().ok());
  const ActorState state = pipeline_->state();
  EXPECT_GT(state.pending, 0);
  EXPECT_EQ(state.asked, state.trajectories);
  EXPECT_EQ(state.scored + state.pending, state.trajectories);
  EXPECT_GT(pipeline_->counters().oldest_pending, absl::ZeroDuration());
  ExpectAllAccountedFor(state);
}

TEST_F(PluggedOracleTest, WhatIsAnsweredLaterArrivesWithItsTrueValueAndIsCountedOnce) {
  LabOracle lab(*world_.reward, 2);
  lab.Open(5);
  KeepPending(1'000'000);
  options_.max_pending_batches = 6;
  options_.cancel_reward = [&] { lab.Cancel(); };
  Start(lab);
  AwaitTrajectories(5 * 8);
  pipeline_->Cancel();
  thread_.join();
  EXPECT_TRUE(status_.ok()) << status_;
  EXPECT_EQ(pipeline_->state().scored, 5 * 8);
  EXPECT_EQ(pipeline_->state().pending, 0);
  EXPECT_GT(pipeline_->counters().resolved, 0);
  const v1::TrajectoryBatch held = world_.Sample(5 * 8);
  std::vector<std::string> objects;
  size_t at = 0;
  int64_t slow = 0;
  for (const uint32_t length : held.object_lengths()) {
    objects.push_back(held.object_data().substr(at, length));
    slow += LabOracle::IsSlow(objects.back()) ? 1 : 0;
    at += length;
  }
  EXPECT_EQ(pipeline_->counters().resolved, slow);
  RewardColumns truth;
  world_.components.reward->Evaluate(objects, truth);
  ASSERT_EQ(held.raw_values_size(), 5 * 8);
  for (int i = 0; i < held.raw_values_size(); ++i) {
    EXPECT_EQ(held.raw_values(i), truth.values[i]);
  }
}

TEST_F(PluggedOracleTest, RollingWaitsAtTheBoundOfPendingTrajectories) {
  LabOracle lab(*world_.reward, 1 << 30);
  KeepPending(6);
  options_.max_pending_batches = 1;
  Start(lab);
  while (!pending_->full()) std::this_thread::yield();
  // One batch may have been on its way.
  EXPECT_LE(pending_->size(), 6 + 2 * 8);
  lab.SetPolls(0);
  const int64_t before = trajectories();
  AwaitTrajectories(before + 40);  // It goes on once they are answered.
  EXPECT_TRUE(StopAndJoin().ok());
}

TEST_F(PluggedOracleTest, ASpentBudgetStopsTheRolloutUntilThereIsMore) {
  PaidOracle oracle(*world_.reward, 20);
  options_.max_pending_batches = 2;
  Start(oracle);
  AwaitTrajectories(20);
  oracle.AwaitDescriptions(10);  // It looks for more, and rolls out nothing meanwhile.
  const ActorState spent = pipeline_->state();
  EXPECT_EQ(spent.scored, 20);
  EXPECT_LE(spent.trajectories, 20 + 3 * 8);
  EXPECT_EQ(spent.budget_exhausted, oracle.turned_away());
  EXPECT_EQ(spent.failed, 0);
  EXPECT_EQ(spent.rejected, 0);
  EXPECT_TRUE(pipeline_->counters().budget_spent);
  oracle.Raise(30);
  AwaitTrajectories(50);
  EXPECT_TRUE(StopAndJoin().ok());
  EXPECT_EQ(pipeline_->state().scored, 50);
  EXPECT_EQ(pipeline_->counters().acknowledged, 50);
  ExpectAllAccountedFor(pipeline_->state());
}

TEST_F(PluggedOracleTest, ASpentBudgetIsOneLineInTheLog) {
  PaidOracle oracle(*world_.reward, 0);
  testing::internal::CaptureStderr();
  {
    Log log(LogOptions{});
    auto described = Describe(oracle);
    ASSERT_TRUE(described.ok());
    auto pipeline = ActorPipeline::Create(actor_, options_, *world_.components.environment,
                                          *world_.components.MakeModel(world_.config),
                                          *world_.components.shaping, *described, oracle,
                                          world_.weights, world_.Inserts(), log);
    ASSERT_TRUE(pipeline.ok());
    std::thread runner([&] { EXPECT_TRUE((*pipeline)->Run().ok()); });
    oracle.AwaitDescriptions(20);
    (*pipeline)->Stop(absl::InfiniteDuration());
    runner.join();
  }
  const std::string lines = testing::internal::GetCapturedStderr();
  EXPECT_THAT(lines, HasSubstr("the reward budget is spent"));
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 1) << lines;
}

TEST_F(PluggedOracleTest, AnotherFingerprintEndsTheActorAndSaysWhatToDo) {
  ReplacedOracle oracle(*world_.reward);
  Start(oracle);
  thread_.join();
  EXPECT_EQ(status_.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status_), kReasonFingerprintChanged);
  EXPECT_THAT(std::string(status_.message()), HasSubstr("grid/new"));
  EXPECT_THAT(std::string(status_.message()), HasSubstr("reward.allow_fingerprint_change"));
  EXPECT_EQ(trajectories(), 0);
}

TEST_F(PluggedOracleTest, WhereItIsAllowedTheActorGoesOnUnderTheNewFingerprint) {
  actor_.allow_fingerprint_change = true;
  ReplacedOracle oracle(*world_.reward);
  Start(oracle);
  AwaitTrajectories(40);
  EXPECT_TRUE(StopAndJoin().ok());
  absl::MutexLock lock(&mu_);
  EXPECT_THAT(fingerprints_, ElementsAre("grid/new"));
}

// Two objectives, of which the run may want one, or both in another order.
class TwoObjectives final : public RewardFunction {
 public:
  const std::string& fingerprint() const override { return fingerprint_; }
  std::span<const ObjectiveInfo> objectives() const override { return objectives_; }
  void Evaluate(std::span<const std::string> objects, RewardColumns& out) const override {
    out = RewardColumns();
    out.num_objectives = 2;
    out.status.assign(objects.size(), ObjectStatus::kOk);
    out.valid.assign(2 * objects.size(), 1);
    for (size_t i = 0; i < objects.size(); ++i) {
      out.values.push_back(1);
      out.values.push_back(2);
    }
  }

 private:
  const std::string fingerprint_ = "two/1";
  const std::vector<ObjectiveInfo> objectives_ = {{"one"}, {"two"}};
};

class ObjectivesTest : public PluggedOracleTest {
 protected:
  void Want(const std::vector<std::string>& names) {
    RewardShapingOptions shaping;
    for (const std::string& name : names) shaping.objectives.push_back({name});
    world_.components.shaping = std::make_unique<RewardShaping>(*RewardShaping::Create(shaping));
    RewardServiceOptions options;
    options.name = "two";
    options.accepted_formats = {world_.components.environment->spec().object_format};
    world_.reward = *RewardService::Create(options, std::make_shared<TwoObjectives>());
  }
  // What replay then holds of the first trajectory.
  std::vector<double> FirstValues() {
    HostileOracle recorder(*world_.reward, Honest);
    EXPECT_TRUE(LockStep(recorder)->RunOnce().ok());
    asked_ = recorder.requests()[0];
    const v1::TrajectoryBatch held = world_.Sample(8);
    objectives_.assign(held.objectives().begin(), held.objectives().end());
    return {held.raw_values().begin(),
            held.raw_values().begin() + static_cast<int64_t>(objectives_.size())};
  }

  v1::EvaluateRequest asked_;
  std::vector<std::string> objectives_;
};

TEST_F(ObjectivesTest, AllInTheOraclesOrderNeedNotBeNamed) {
  Want({"one", "two"});
  EXPECT_THAT(FirstValues(), ElementsAre(1, 2));
  EXPECT_THAT(objectives_, ElementsAre("one", "two"));
  EXPECT_EQ(asked_.objectives_size(), 0);
}

TEST_F(ObjectivesTest, ColumnsStandInTheOrderOfRewardShaping) {
  Want({"two", "one"});
  EXPECT_THAT(FirstValues(), ElementsAre(2, 1));
  EXPECT_THAT(objectives_, ElementsAre("two", "one"));
  EXPECT_THAT(asked_.objectives(), ElementsAre("two", "one"));
}

TEST_F(ObjectivesTest, OnlyWhatCountsIsAskedFor) {
  Want({"two"});
  EXPECT_THAT(FirstValues(), ElementsAre(2));
  EXPECT_THAT(asked_.objectives(), ElementsAre("two"));
}

TEST_F(ObjectivesTest, AnAnswerWithoutNamesHasTheDescribedColumns) {
  Want({"two"});
  HostileOracle nameless(*world_.reward,
                         [&](int, const v1::EvaluateRequest& request, v1::EvaluateResponse) {
                           v1::EvaluateRequest all = request;
                           all.clear_objectives();
                           v1::EvaluateResponse answer = *world_.reward->Evaluate(all);
                           answer.clear_objectives();
                           return answer;
                         });
  ASSERT_TRUE(LockStep(nameless)->RunOnce().ok());
  EXPECT_EQ(world_.Sample(8).raw_values(0), 2);
}

TEST_F(ObjectivesTest, OneThatTheOracleDoesNotComputeIsRefusedNamingThoseThatItDoes) {
  Want({"one", "three"});
  const absl::Status status = Describe(*world_.reward).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("'three'"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("one, two"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("reward_shaping.objectives"));
}

TEST_F(PluggedOracleTest, InLockStepAPendingObjectIsWaitedForAndNothingElseChanges) {
  ASSERT_TRUE(LockStep(*world_.reward)->RunOnce().ok());
  const v1::TrajectoryBatch at_once = world_.Sample(8);
  world_.MakeReplay(0);
  LabOracle lab(*world_.reward, 2);
  auto actor = LockStep(lab);
  ASSERT_TRUE(actor->RunOnce().ok());
  EXPECT_EQ(world_.Sample(8).SerializeAsString(), at_once.SerializeAsString());
  ExpectAllAccountedFor(actor->state());
  EXPECT_EQ(actor->state().scored, 8);
}

TEST_F(PluggedOracleTest, InLockStepCancelEndsTheWaitForPendingObjects) {
  HostileOracle never(*world_.reward,
                      [](int, const v1::EvaluateRequest&, v1::EvaluateResponse answer) {
                        for (int i = 0; i < answer.statuses_size(); ++i) {
                          answer.set_statuses(i, v1::OBJECT_STATUS_PENDING);
                          answer.add_tickets("t");
                          answer.add_retry_after_millis(3'600'000);
                        }
                        return answer;
                      });
  auto actor = LockStep(never);
  absl::Status status;
  std::thread runner([&] { status = actor->RunOnce(); });
  never.AwaitCalls(1);
  actor->Cancel();
  runner.join();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

TEST_F(PluggedOracleTest, InLockStepTheLastOfTheBudgetIsUsedAndTheRunEndsInOrder) {
  PaidOracle oracle(*world_.reward, 20);
  auto actor = LockStep(oracle);
  EXPECT_TRUE(actor->Run([] { return true; }).ok());
  EXPECT_TRUE(actor->budget_spent());
  EXPECT_EQ(actor->acknowledged(), 20);
  EXPECT_EQ(actor->state().budget_exhausted, 4);
  EXPECT_EQ(actor->state().rejected, 0);
  EXPECT_EQ(actor->budget().evaluations_used(), 20u);
  ExpectAllAccountedFor(actor->state());
}

}  // namespace
}  // namespace anabranch
