#include "actor/actor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "actor/score_request.h"
#include "cli/train/in_process_channels.h"
#include "replay/replay_service.h"
#include "reward/reward_service.h"
#include "runtime/components/run_components.h"
#include "runtime/config.h"

namespace anabranch {
namespace {

using ::absl::StatusCode;
using ::testing::HasSubstr;

constexpr char kGrid[] = R"(
environment: {hypergrid: {dimensions: 2, side: 4}}
policy: {mlp: {hidden_layers: 1, hidden_width: 8}}
learner: {batch_trajectories: 8}
)";

// An actor over the real services, without a learner.
class ActorTest : public testing::Test {
 protected:
  void SetUp() override {
    auto config = ParseRunConfig(kGrid, "test.yaml");
    ASSERT_TRUE(config.ok()) << config.status();
    config_ = *config;
    auto components = MakeRunComponents(config_);
    ASSERT_TRUE(components.ok()) << components.status();
    components_ = *std::move(components);
    identity_ = {"run-a", components_.environment->spec().fingerprint, 42};
    RewardServiceOptions reward;
    reward.name = "grid";
    reward.accepted_formats = {components_.environment->spec().object_format};
    reward_ = *RewardService::Create(reward, components_.reward);
    replay_ = *ReplayService::Create(ReplayServiceOptions::FromConfig(
        config_, identity_.run_id, identity_.environment_fingerprint));
  }

  std::unique_ptr<Actor> MakeActor() {
    v1::InsertOpening opening;
    opening.mutable_handshake()->set_run_id(identity_.run_id);
    opening.mutable_handshake()->set_environment_fingerprint(identity_.environment_fingerprint);
    opening.mutable_handshake()->mutable_source()->set_client_incarnation(identity_.incarnation);
    auto inserts = replay_->OpenInsert(opening);
    EXPECT_TRUE(inserts.ok()) << inserts.status();
    ActorOptions options;
    options.identity = identity_;
    options.rollout_trajectories = 8;
    auto actor = Actor::Create(options, *components_.environment, *components_.MakeModel(config_),
                               *components_.shaping, *reward_, weights_, *std::move(inserts));
    EXPECT_TRUE(actor.ok()) << actor.status();
    return *std::move(actor);
  }

  std::shared_ptr<WeightSnapshot> Snapshot() {
    Model model = *components_.MakeModel(config_);
    auto snapshot = std::make_shared<WeightSnapshot>();
    snapshot->manifest.set_run_id(identity_.run_id);
    snapshot->manifest.set_environment_fingerprint(identity_.environment_fingerprint);
    snapshot->manifest.mutable_policy()->set_generation(1);
    snapshot->schema = model.parameters->Schema();
    const at::Tensor& values = model.parameters->values();
    snapshot->values.assign(values.data_ptr<float>(), values.data_ptr<float>() + values.numel());
    return snapshot;
  }

  v1::SampledBatch Sample(uint32_t trajectories) {
    v1::SampleOpening opening;
    opening.mutable_handshake()->set_run_id(identity_.run_id);
    opening.mutable_handshake()->set_environment_fingerprint(identity_.environment_fingerprint);
    opening.set_batch_trajectories(trajectories);
    *opening.add_mixture() = MixtureFromConfig(config_.replay())[0];
    auto stream = replay_->OpenSample(opening);
    EXPECT_TRUE(stream.ok()) << stream.status();
    auto batch = (*stream)->TryNext();
    EXPECT_TRUE(batch.ok() && batch->has_value());
    return **std::move(batch);
  }

  absl::Status RefusalOf(std::shared_ptr<WeightSnapshot> snapshot) {
    EXPECT_TRUE(weights_.Publish(std::move(snapshot)).ok());
    return MakeActor()->RunOnce();
  }

  v1::RunConfig config_;
  RunComponents components_;
  RunIdentity identity_;
  std::unique_ptr<RewardService> reward_;
  std::unique_ptr<ReplayService> replay_;
  InProcessWeights weights_;
};

TEST_F(ActorTest, WithoutASnapshotItIsUnavailable) {
  EXPECT_EQ(MakeActor()->RunOnce().code(), StatusCode::kUnavailable);
}

TEST_F(ActorTest, HandsOverScoredTrajectoriesWithTheirOrigin) {
  auto snapshot = Snapshot();
  snapshot->manifest.mutable_policy()->set_version(3);
  ASSERT_TRUE(weights_.Publish(snapshot).ok());
  auto actor = MakeActor();
  ASSERT_TRUE(actor->RunOnce().ok());
  EXPECT_EQ(actor->acknowledged(), 8);
  const v1::TrajectoryBatch batch = Sample(8).batch();
  EXPECT_EQ(batch.run_id(), "run-a");
  EXPECT_EQ(batch.environment_fingerprint(), identity_.environment_fingerprint);
  EXPECT_EQ(batch.reward_shaping_hash(), components_.shaping->hash());
  ASSERT_EQ(batch.lengths_size(), 8);
  ASSERT_EQ(batch.policy_versions_size(), 8);
  EXPECT_EQ(batch.policy_versions(0), 3);
  EXPECT_EQ(batch.raw_values_size(), 8);
  for (const double value : batch.raw_values()) EXPECT_GT(value, 0);
  EXPECT_EQ(actor->state().trajectories, 8);
  EXPECT_EQ(actor->state().transitions, batch.actions_size());
}

TEST_F(ActorTest, ASnapshotOfAnotherRunIsRefusedNamingBoth) {
  auto snapshot = Snapshot();
  snapshot->manifest.set_run_id("run-b");
  const absl::Status status = RefusalOf(snapshot);
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("'run-b', this actor 'run-a'"));
}

TEST_F(ActorTest, ASnapshotOfAnotherEnvironmentIsRefusedNamingBoth) {
  auto snapshot = Snapshot();
  snapshot->manifest.set_environment_fingerprint("chess/1");
  const absl::Status status = RefusalOf(snapshot);
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("chess/1"));
  EXPECT_THAT(std::string(status.message()), HasSubstr(identity_.environment_fingerprint));
}

TEST_F(ActorTest, ASnapshotOfAnotherNetworkIsRefused) {
  auto snapshot = Snapshot();
  snapshot->schema = "trunk.0.weight[1,1]\n";
  EXPECT_EQ(RefusalOf(snapshot).code(), StatusCode::kFailedPrecondition);
}

TEST_F(ActorTest, AnotherFormatThanTheOracleReadsIsRefusedAtOnce) {
  RewardServiceOptions reward;
  reward.name = "molecules";
  reward.accepted_formats = {"smiles"};
  reward_ = *RewardService::Create(reward, components_.reward);
  v1::InsertOpening opening;
  opening.mutable_handshake()->set_run_id(identity_.run_id);
  opening.mutable_handshake()->set_environment_fingerprint(identity_.environment_fingerprint);
  opening.mutable_handshake()->mutable_source()->set_client_incarnation(1);
  ActorOptions options;
  options.identity = identity_;
  auto actor =
      Actor::Create(options, *components_.environment, *components_.MakeModel(config_),
                    *components_.shaping, *reward_, weights_, *replay_->OpenInsert(opening));
  EXPECT_EQ(actor.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(actor.status().message()), HasSubstr("smiles"));
}

TEST_F(ActorTest, OneThatGoesOnFromAStateRollsOutTheSame) {
  ASSERT_TRUE(weights_.Publish(Snapshot()).ok());
  auto whole = MakeActor();
  ASSERT_TRUE(whole->RunOnce().ok());
  const ActorState half = whole->state();
  ASSERT_TRUE(whole->RunOnce().ok());
  Sample(8);
  const v1::TrajectoryBatch second = Sample(8).batch();

  identity_.incarnation = 43;
  auto resumed = MakeActor();
  resumed->Restore(half);
  ASSERT_TRUE(resumed->RunOnce().ok());
  const v1::TrajectoryBatch again = Sample(8).batch();
  EXPECT_TRUE(std::equal(second.actions().begin(), second.actions().end(), again.actions().begin(),
                         again.actions().end()));
  EXPECT_EQ(resumed->state().trajectories, whole->state().trajectories);
  EXPECT_EQ(resumed->state().random_position, whole->state().random_position);
}

TEST_F(ActorTest, EndsInOrderWhenReplayIsClosed) {
  ASSERT_TRUE(weights_.Publish(Snapshot()).ok());
  auto actor = MakeActor();
  replay_->Close(absl::CancelledError("over"));
  EXPECT_TRUE(actor->Run([] { return true; }).ok());
}

TEST(ExplorationSchedule, GoesLinearlyFromFirstToFinal) {
  ExplorationSchedule schedule;
  schedule.epsilon = 0.5;
  schedule.epsilon_final = 0.1;
  schedule.anneal_trajectories = 100;
  schedule.temperature = 2;
  EXPECT_DOUBLE_EQ(schedule.At(0).epsilon, 0.5);
  EXPECT_DOUBLE_EQ(schedule.At(50).epsilon, 0.3);
  EXPECT_DOUBLE_EQ(schedule.At(100).epsilon, 0.1);
  EXPECT_DOUBLE_EQ(schedule.At(1000).epsilon, 0.1);
  EXPECT_DOUBLE_EQ(schedule.At(0).temperature, 2);
}

TEST(FailNonFinite, FailsTheObjectAndLeavesTheOthers) {
  v1::EvaluateResponse response;
  for (const double value : {1.0, 2.0, std::numeric_limits<double>::infinity(), 4.0, 5.0, 6.0}) {
    response.add_raw_values(value);
  }
  for (int i = 0; i < 3; ++i) response.add_statuses(v1::OBJECT_STATUS_OK);
  EXPECT_EQ(FailNonFinite(response), 1);
  EXPECT_EQ(response.statuses(0), v1::OBJECT_STATUS_OK);
  EXPECT_EQ(response.statuses(1), v1::OBJECT_STATUS_FAILED);
  EXPECT_THAT(response.reasons(1), HasSubstr("raw_values[2] is inf"));
  EXPECT_EQ(response.statuses(2), v1::OBJECT_STATUS_OK);
}

TEST(FailNonFinite, AValueThatDoesNotCountMayBeAnything) {
  v1::EvaluateResponse response;
  response.add_raw_values(1.0);
  response.add_raw_values(std::numeric_limits<double>::quiet_NaN());
  response.add_raw_value_valid(true);
  response.add_raw_value_valid(false);
  response.add_statuses(v1::OBJECT_STATUS_OK);
  EXPECT_EQ(FailNonFinite(response), 0);
}

}  // namespace
}  // namespace anabranch
