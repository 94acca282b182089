#include "actor/actor_pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "runtime/error_reason.h"
#include "tests/actor/actor_world.h"

namespace anabranch {
namespace {

using ::absl::StatusCode;
using ::testing::HasSubstr;

constexpr int64_t kBatch = 8;  // Trajectories.

// A pipeline that runs in a thread of its own. What it is told can be changed before Start.
class ActorPipelineTest : public testing::Test {
 protected:
  ActorPipelineTest() {
    EXPECT_TRUE(world_.weights.Publish(world_.Snapshot(0)).ok());
    options_.backoff.initial = absl::Microseconds(100);
    options_.backoff.maximum = absl::Milliseconds(1);
    options_.on_acknowledged = [this](const v1::InsertBatch& batch) {
      absl::MutexLock lock(&mu_);
      acknowledged_.push_back(batch);
    };
  }
  ~ActorPipelineTest() override {
    if (pipeline_ != nullptr) pipeline_->Cancel();
    if (thread_.joinable()) thread_.join();
  }

  void Start(RewardClient& reward) { Start(reward, world_.Inserts()); }
  void Start(RewardClient& reward, std::unique_ptr<InsertStream> inserts) {
    const ActorOptions actor = world_.Options();
    auto oracle = DescribeOracle(actor, world_.components.environment->spec(),
                                 *world_.components.shaping, reward);
    ASSERT_TRUE(oracle.ok()) << oracle.status();
    auto pipeline = ActorPipeline::Create(actor, options_, *world_.components.environment,
                                          *world_.components.MakeModel(world_.config),
                                          *world_.components.shaping, *std::move(oracle), reward,
                                          world_.weights, std::move(inserts), NullLog());
    ASSERT_TRUE(pipeline.ok()) << pipeline.status();
    pipeline_ = *std::move(pipeline);
    thread_ = std::thread([this] { status_ = pipeline_->Run(); });
  }

  absl::Status Join() {
    thread_.join();
    return status_;
  }
  absl::Status StopAndJoin() {
    pipeline_->Stop(absl::InfiniteDuration());
    return Join();
  }
  void AwaitAcknowledged(size_t batches) {
    absl::MutexLock lock(&mu_);
    const auto enough = [this, batches]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return acknowledged_.size() >= batches;
    };
    mu_.Await(absl::Condition(&enough));
  }
  std::vector<v1::InsertBatch> acknowledged() {
    absl::MutexLock lock(&mu_);
    return acknowledged_;
  }

  // Sequences count from 1, every trajectory's number comes once and in order, replay holds just
  // these, and each with the reward that the grid itself gives its object.
  void ExpectAllInOrderWithTrueRewards() {
    const std::vector<v1::InsertBatch> batches = acknowledged();
    uint64_t sequence = 0;
    std::vector<uint64_t> numbers;
    for (const v1::InsertBatch& batch : batches) {
      EXPECT_EQ(batch.sequence(), ++sequence);
      for (const uint64_t number : batch.batch().trajectory_numbers()) numbers.push_back(number);
    }
    EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
    EXPECT_EQ(std::set<uint64_t>(numbers.begin(), numbers.end()).size(), numbers.size());
    ASSERT_FALSE(numbers.empty());
    const v1::TrajectoryBatch held = world_.Sample(static_cast<uint32_t>(numbers.size()));
    const std::vector<uint64_t> kept(held.trajectory_numbers().begin(),
                                     held.trajectory_numbers().end());
    EXPECT_EQ(kept, numbers);
    EXPECT_EQ(pipeline_->counters().acknowledged, static_cast<int64_t>(numbers.size()));
    ExpectTrueRewards(held);
  }

  void ExpectTrueRewards(const v1::TrajectoryBatch& batch) {
    std::vector<std::string> objects;
    size_t at = 0;
    for (const uint32_t length : batch.object_lengths()) {
      objects.push_back(batch.object_data().substr(at, length));
      at += length;
    }
    RewardColumns truth;
    world_.components.reward->Evaluate(objects, truth);
    ASSERT_EQ(truth.values.size(), static_cast<size_t>(batch.raw_values_size()));
    for (int i = 0; i < batch.raw_values_size(); ++i) {
      EXPECT_EQ(batch.statuses(i), v1::OBJECT_STATUS_OK);
      EXPECT_EQ(batch.raw_values(i), truth.values[i]);
    }
  }

  ActorWorld world_;
  PipelineOptions options_;
  absl::Mutex mu_;
  std::vector<v1::InsertBatch> acknowledged_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<ActorPipeline> pipeline_;
  absl::Status status_;
  std::thread thread_;
};

TEST_F(ActorPipelineTest, HandsOverEveryTrajectoryOnceAndInOrder) {
  HostileOracle oracle(*world_.reward, Honest);
  options_.max_pending_batches = 3;
  Start(oracle);
  AwaitAcknowledged(20);
  EXPECT_TRUE(StopAndJoin().ok());
  const PipelineCounters counters = pipeline_->counters();
  EXPECT_EQ(counters.pending, 0);
  EXPECT_EQ(counters.acknowledged, counters.batches * kBatch);
  EXPECT_EQ(pipeline_->state().trajectories, counters.batches * kBatch);
  ExpectAllInOrderWithTrueRewards();
}

TEST_F(ActorPipelineTest, RollsOutWhileRewardsWaitUntilTheWindowIsFull) {
  HostileOracle oracle(*world_.reward, Honest);
  oracle.Open(0);
  options_.max_pending_batches = 4;
  Start(oracle);
  oracle.AwaitCalls(4);  // Four batches are rolled out, and none has been answered.
  EXPECT_EQ(pipeline_->counters().pending, 4);
  for (int open = 1; open <= 30; ++open) oracle.Open(open);
  AwaitAcknowledged(30);
  oracle.Open(1 << 30);
  EXPECT_TRUE(StopAndJoin().ok());
  EXPECT_EQ(oracle.most_inside(), 4);
  ExpectAllInOrderWithTrueRewards();
}

TEST_F(ActorPipelineTest, AFullWindowHoldsTheRolloutBackWhileReplayPaces) {
  world_.MakeReplay(1.0);  // Without a learner it takes what its error buffer allows.
  HostileOracle oracle(*world_.reward, Honest);
  options_.max_pending_batches = 2;
  Start(oracle);
  AwaitAcknowledged(1);
  oracle.AwaitCalls(3);
  pipeline_->Cancel();
  EXPECT_TRUE(Join().ok());
  const PipelineCounters counters = pipeline_->counters();
  EXPECT_LE(counters.batches * kBatch - counters.acknowledged, 2 * kBatch);
}

TEST_F(ActorPipelineTest, AnswersThatOvertakeEachOtherAreInsertedInOrder) {
  absl::Mutex mu;
  std::set<int> answered;
  // Of every two calls the later one is answered first.
  HostileOracle oracle(*world_.reward,
                       [&](int call, const v1::EvaluateRequest&, v1::EvaluateResponse truth) {
                         absl::MutexLock lock(&mu);
                         if (call % 2 == 0 && call < 20) {
                           const auto overtaken = [&] { return answered.count(call + 1) > 0; };
                           mu.Await(absl::Condition(&overtaken));
                         }
                         answered.insert(call);
                         return truth;
                       });
  options_.max_pending_batches = 2;
  Start(oracle);
  AwaitAcknowledged(20);
  EXPECT_TRUE(StopAndJoin().ok());
  ExpectAllInOrderWithTrueRewards();
}

TEST_F(ActorPipelineTest, ARetryAsksTheSameUnderTheSameRequestId) {
  HostileOracle oracle(*world_.reward,
                       [](int call, const v1::EvaluateRequest&,
                          v1::EvaluateResponse truth) -> absl::StatusOr<v1::EvaluateResponse> {
                         switch (call % 4) {
                           case 0:
                             return absl::UnavailableError("restarting");
                           case 1:
                             return absl::DeadlineExceededError("slow");
                           case 2:
                             return WithReason(absl::ResourceExhaustedError("busy"),
                                               kReasonOverloaded);
                           default:
                             return truth;
                         }
                       });
  options_.max_pending_batches = 1;
  Start(oracle);
  AwaitAcknowledged(5);
  EXPECT_TRUE(StopAndJoin().ok());
  const std::vector<v1::EvaluateRequest> requests = oracle.requests();
  for (size_t i = 0; i + 3 < requests.size(); i += 4) {
    for (size_t k = 1; k < 4; ++k) {
      EXPECT_EQ(requests[i].SerializeAsString(), requests[i + k].SerializeAsString());
    }
    if (i + 4 < requests.size()) {
      EXPECT_NE(requests[i].request_id(), requests[i + 4].request_id());
    }
  }
  EXPECT_GE(pipeline_->counters().reward_retries, 15);
  EXPECT_EQ(pipeline_->counters().refused_answers, 0);
  ExpectAllInOrderWithTrueRewards();
}

// Each call is spoilt in another way; what ends up in replay is true all the same.
TEST_F(ActorPipelineTest, NoRewardIsInventedWhateverTheOracleDoes) {
  HostileOracle oracle(*world_.reward,
                       [](int call, const v1::EvaluateRequest& request,
                          v1::EvaluateResponse r) -> absl::StatusOr<v1::EvaluateResponse> {
                         const int last = r.statuses_size() - 1;
                         switch (call % 9) {
                           case 0:
                             return absl::UnavailableError("restarting");
                           case 1:  // Short by one object.
                             r.mutable_statuses()->RemoveLast();
                             r.mutable_raw_values()->RemoveLast();
                             r.mutable_raw_value_valid()->RemoveLast();
                             return r;
                           case 2:  // Another batch's answer.
                             r.set_request_id("000000000000002a-99999");
                             for (double& value : *r.mutable_raw_values()) value += 1;
                             return r;
                           case 3:  // One value too many: all that follow would be shifted.
                             r.mutable_raw_values()->Add(0.5);
                             return r;
                           case 4:
                             r.set_statuses(last, v1::OBJECT_STATUS_RETRYABLE);
                             r.set_raw_values(last, 1e9);
                             return r;
                           case 5:
                             r.set_statuses(0, v1::OBJECT_STATUS_PENDING);
                             r.set_raw_values(0, 1e9);
                             r.mutable_tickets()->Reserve(last + 1);
                             for (int i = 0; i <= last; ++i) r.add_tickets(i == 0 ? "t" : "");
                             return r;
                           case 6:
                             r.set_raw_values(0, std::numeric_limits<double>::infinity());
                             return r;
                           case 7:
                             r.set_statuses(last, v1::OBJECT_STATUS_FAILED);
                             r.set_raw_values(last, 1e9);
                             return r;
                           default:
                             EXPECT_FALSE(request.request_id().empty());
                             return r;
                         }
                       });
  options_.max_pending_batches = 3;
  Start(oracle);
  AwaitAcknowledged(40);
  EXPECT_TRUE(StopAndJoin().ok());
  ExpectAllInOrderWithTrueRewards();
  const PipelineCounters counters = pipeline_->counters();
  const ActorState state = pipeline_->state();
  EXPECT_GT(counters.refused_answers, 10);
  EXPECT_GT(counters.reward_retries, counters.refused_answers);
  EXPECT_GT(counters.objects_asked_again, 5);
  EXPECT_GT(state.non_finite, 0);
  EXPECT_GT(state.rejected, state.non_finite);
  EXPECT_EQ(counters.acknowledged + state.rejected, state.trajectories);
}

TEST_F(ActorPipelineTest, ABatchOfWhichNothingIsLeftIsSkippedWithoutASequence) {
  HostileOracle oracle(*world_.reward,
                       [](int call, const v1::EvaluateRequest&, v1::EvaluateResponse r) {
                         for (int i = 0; call % 2 == 0 && i < r.statuses_size(); ++i) {
                           r.set_statuses(i, v1::OBJECT_STATUS_FAILED);
                         }
                         return r;
                       });
  options_.max_pending_batches = 1;
  Start(oracle);
  AwaitAcknowledged(5);
  EXPECT_TRUE(StopAndJoin().ok());
  EXPECT_GE(pipeline_->state().rejected, 5 * kBatch);
  ExpectAllInOrderWithTrueRewards();
}

TEST_F(ActorPipelineTest, AnotherFingerprintEndsTheActorWithItsName) {
  HostileOracle oracle(*world_.reward, [](int, const v1::EvaluateRequest&, v1::EvaluateResponse r) {
    r.set_fingerprint("another oracle");
    return r;
  });
  Start(oracle);
  const absl::Status status = Join();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("another oracle"));
  EXPECT_TRUE(acknowledged().empty());
}

TEST_F(ActorPipelineTest, WhatTheOracleRefusesForGoodEndsTheActor) {
  HostileOracle oracle(*world_.reward,
                       [](int, const v1::EvaluateRequest&,
                          v1::EvaluateResponse) -> absl::StatusOr<v1::EvaluateResponse> {
                         return absl::InvalidArgumentError("objects: has 8 entries; at most 4");
                       });
  Start(oracle);
  const absl::Status status = Join();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("at most 4"));
}

TEST_F(ActorPipelineTest, CancelEndsALongBackoffAtOnce) {
  options_.backoff.initial = options_.backoff.maximum = absl::Hours(10);
  HostileOracle oracle(*world_.reward,
                       [](int, const v1::EvaluateRequest&,
                          v1::EvaluateResponse) -> absl::StatusOr<v1::EvaluateResponse> {
                         return absl::UnavailableError("for ever");
                       });
  Start(oracle);
  oracle.AwaitCalls(2);
  pipeline_->Cancel();
  EXPECT_TRUE(Join().ok());
}

TEST_F(ActorPipelineTest, CancelReachesTheClientThatIsBeingAsked) {
  HostileOracle oracle(*world_.reward, Honest);
  oracle.Open(0);
  options_.cancel_reward = [&] { oracle.Open(1 << 30); };
  Start(oracle);
  oracle.AwaitCalls(2);
  pipeline_->Cancel();
  EXPECT_TRUE(Join().ok());
  EXPECT_TRUE(acknowledged().empty());
}

TEST_F(ActorPipelineTest, StopFlushesWhatIsPending) {
  HostileOracle oracle(*world_.reward, Honest);
  oracle.Open(0);
  options_.max_pending_batches = 3;
  Start(oracle);
  oracle.AwaitCalls(3);
  pipeline_->Stop(absl::InfiniteDuration());
  oracle.Open(1 << 30);
  EXPECT_TRUE(Join().ok());
  EXPECT_EQ(acknowledged().size(), 3u);
  EXPECT_EQ(pipeline_->counters().batches, 3);
  ExpectAllInOrderWithTrueRewards();
}

TEST_F(ActorPipelineTest, StopGivesUpInsertsThatNobodyMakesRoomFor) {
  world_.MakeReplay(1.0);  // Without a learner it takes what its error buffer allows.
  options_.insert_grace = absl::Milliseconds(10);
  HostileOracle oracle(*world_.reward, Honest);
  Start(oracle);
  while (pipeline_->counters().pending < options_.max_pending_batches) AwaitAcknowledged(1);
  pipeline_->Stop(absl::InfiniteDuration());
  EXPECT_TRUE(Join().ok());
  ExpectAllInOrderWithTrueRewards();
}

TEST_F(ActorPipelineTest, StopWithoutGraceLeavesWhatIsPending) {
  HostileOracle oracle(*world_.reward, Honest);
  oracle.Open(0);
  options_.cancel_reward = [&] { oracle.Open(1 << 30); };
  Start(oracle);
  oracle.AwaitCalls(2);
  pipeline_->Stop(absl::ZeroDuration());
  EXPECT_TRUE(Join().ok());
  EXPECT_TRUE(acknowledged().empty());
}

TEST_F(ActorPipelineTest, TakesTheNewestSnapshotBetweenBatchesAndNeverGoesBack) {
  HostileOracle oracle(*world_.reward, Honest);
  Start(oracle);
  AwaitAcknowledged(2);
  ASSERT_TRUE(world_.weights.Publish(world_.Snapshot(7)).ok());
  const size_t before = acknowledged().size();
  AwaitAcknowledged(before + 5);
  EXPECT_TRUE(StopAndJoin().ok());
  uint64_t newest = 0;
  for (const v1::InsertBatch& batch : acknowledged()) {
    const uint64_t version = batch.batch().policy_versions(0);
    EXPECT_GE(version, newest);
    newest = version;
    for (const uint64_t other : batch.batch().policy_versions()) EXPECT_EQ(other, version);
  }
  EXPECT_EQ(newest, 7u);
  EXPECT_EQ(pipeline_->policy().version(), 7u);
}

TEST_F(ActorPipelineTest, ASnapshotThatDoesNotFitLeavesTheOldOneInUse) {
  HostileOracle oracle(*world_.reward, Honest);
  Start(oracle);
  AwaitAcknowledged(1);
  auto misfit = world_.Snapshot(8);
  misfit->values.pop_back();
  ASSERT_TRUE(world_.weights.Publish(misfit).ok());
  AwaitAcknowledged(acknowledged().size() + 5);
  EXPECT_TRUE(StopAndJoin().ok());
  EXPECT_GT(pipeline_->counters().refused_snapshots, 0);
  EXPECT_EQ(acknowledged().back().batch().policy_versions(0), 0u);
  ExpectAllInOrderWithTrueRewards();
}

// An insert stream to the real replay that is told no at first.
class ReluctantInserts final : public InsertStream {
 public:
  ReluctantInserts(std::unique_ptr<InsertStream> real, v1::Refusal refusal)
      : real_(std::move(real)), refusal_(std::move(refusal)) {}
  const v1::InsertOpened& opened() const override { return real_->opened(); }
  absl::StatusOr<v1::InsertAcknowledgement> Insert(v1::InsertBatch batch) override {
    if (++calls_ % 3 == 0) return real_->Insert(std::move(batch));
    v1::InsertAcknowledgement no;
    no.set_sequence(batch.sequence());
    no.set_result(v1::INSERT_RESULT_REFUSED);
    *no.mutable_refusal() = refusal_;
    return no;
  }
  void Cancel() override { real_->Cancel(); }

 private:
  const std::unique_ptr<InsertStream> real_;
  const v1::Refusal refusal_;
  int calls_ = 0;
};

TEST_F(ActorPipelineTest, ABatchThatReplayCannotTakeNowIsSentAgainAndKeptOnce) {
  v1::Refusal refusal;
  refusal.set_code(static_cast<int>(StatusCode::kResourceExhausted));
  refusal.set_reason(std::string(kReasonOverloaded));
  HostileOracle oracle(*world_.reward, Honest);
  Start(oracle, std::make_unique<ReluctantInserts>(world_.Inserts(), refusal));
  AwaitAcknowledged(5);
  EXPECT_TRUE(StopAndJoin().ok());
  EXPECT_GE(pipeline_->counters().insert_retries, 10);
  ExpectAllInOrderWithTrueRewards();
}

TEST_F(ActorPipelineTest, ABatchThatReplayRefusesForGoodEndsTheActor) {
  v1::Refusal refusal;
  refusal.set_code(static_cast<int>(StatusCode::kInvalidArgument));
  refusal.set_field("actions");
  refusal.set_index(7);
  refusal.set_message("is 9, legal are 0 to 2");
  HostileOracle oracle(*world_.reward, Honest);
  Start(oracle, std::make_unique<ReluctantInserts>(world_.Inserts(), refusal));
  const absl::Status status = Join();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("actions[7]: is 9"));
}

TEST_F(ActorPipelineTest, EndsInOrderWhenTheRunIsOver) {
  HostileOracle oracle(*world_.reward, Honest);
  Start(oracle);
  AwaitAcknowledged(1);
  world_.replay->Close(absl::CancelledError("over"));
  EXPECT_TRUE(Join().ok());
}

TEST(PipelineOptions, NamesWhatIsWrong) {
  PipelineOptions options;
  EXPECT_TRUE(options.Validate().ok());
  options.max_pending_batches = 0;
  EXPECT_THAT(std::string(options.Validate().message()), HasSubstr("actor.max_pending_batches"));
}

}  // namespace
}  // namespace anabranch
