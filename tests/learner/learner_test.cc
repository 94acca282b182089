#include "learner/learner.h"

#include <ATen/Functions.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "cli/train/in_process_channels.h"
#include "gflownet/rollout/rollout.h"
#include "learner/learner_options.h"
#include "replay/replay_service.h"
#include "runtime/components/run_components.h"
#include "runtime/config.h"

namespace anabranch {
namespace {

using ::absl::StatusCode;
using ::testing::HasSubstr;

constexpr char kGrid[] = R"(
environment: {hypergrid: {dimensions: 2, side: 4}}
policy: {mlp: {hidden_layers: 1, hidden_width: 8}}
learner: {batch_trajectories: 8, publish_every_steps: 2}
)";

// A learner over the real replay, fed by hand.
class LearnerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto config = ParseRunConfig(kGrid, "test.yaml");
    ASSERT_TRUE(config.ok()) << config.status();
    config_ = *config;
    auto components = MakeRunComponents(config_);
    ASSERT_TRUE(components.ok()) << components.status();
    components_ = *std::move(components);
    identity_ = {"run-a", components_.environment->spec().fingerprint, 42};
    model_ = *components_.MakeModel(config_);
    auto replay = ReplayService::Create(ReplayServiceOptions::FromConfig(
        config_, identity_.run_id, identity_.environment_fingerprint));
    ASSERT_TRUE(replay.ok()) << replay.status();
    replay_ = *std::move(replay);
  }

  std::unique_ptr<Learner> MakeLearner(Model& model, const std::string& run_id = "run-a") {
    LearnerOptions options;
    options.identity = identity_;
    options.identity.run_id = run_id;
    options.training = TrainingStepOptionsFromConfig(config_.learner());
    options.publish_every_steps = 2;
    options.max_unusable_in_row = 3;
    auto learner = Learner::Create(options, *components_.environment, model, *components_.objective,
                                   *components_.shaping, *weights_);
    EXPECT_TRUE(learner.ok()) << learner.status();
    v1::SampleOpening opening;
    *opening.mutable_handshake() = Handshake();
    opening.set_batch_trajectories(8);
    *opening.add_mixture() = MixtureFromConfig(config_.replay())[0];
    opening.set_consumer_group("learner");
    auto samples = replay_->OpenSample(opening);
    EXPECT_TRUE(samples.ok()) << samples.status();
    (*learner)->SetSamples(*std::move(samples));
    return *std::move(learner);
  }

  v1::Handshake Handshake() const {
    v1::Handshake handshake;
    handshake.set_run_id(identity_.run_id);
    handshake.set_environment_fingerprint(identity_.environment_fingerprint);
    handshake.mutable_source()->set_client_incarnation(identity_.incarnation);
    return handshake;
  }

  // Eight trajectories of the untrained policy. `cached` replaces their cached log-rewards.
  void Insert(std::optional<double> cached = std::nullopt) {
    Model model = *components_.MakeModel(config_);
    Rollout rollout(*components_.environment, *model.policy);
    RolloutOptions options;
    options.trajectories = 8;
    EvaluatedTrajectories columns;
    ASSERT_TRUE(rollout.Forward(options, random_, columns.trajectories).ok());
    components_.reward->Evaluate(columns.trajectories.objects, columns.rewards);
    ShapedRewards shaped;
    ASSERT_TRUE(components_.shaping->Shape(columns.rewards, shaped).ok());
    columns.log_rewards = shaped.log_rewards;
    if (cached.has_value()) columns.log_rewards.assign(8, *cached);
    BatchHeader header;
    header.run_id = identity_.run_id;
    header.environment_fingerprint = identity_.environment_fingerprint;
    header.object_format = components_.environment->spec().object_format;
    header.objectives = {"reward"};
    header.reward_shaping_hash = components_.shaping->hash();
    header.source = Handshake().source();
    auto batch = EncodeTrajectories(columns, header);
    ASSERT_TRUE(batch.ok()) << batch.status();
    v1::InsertBatch insert;
    insert.set_sequence(++sequence_);
    *insert.mutable_batch() = *std::move(batch);
    auto answer = replay_->Insert(42, std::move(insert), absl::InfinitePast());
    ASSERT_TRUE(answer.ok()) << answer.status();
    ASSERT_EQ(answer->result(), v1::INSERT_RESULT_INSERTED) << answer->refusal().message();
  }

  v1::RunConfig config_;
  RunComponents components_;
  RunIdentity identity_;
  Model model_;
  std::unique_ptr<ReplayService> replay_;
  std::unique_ptr<InProcessWeights> weights_ = std::make_unique<InProcessWeights>();
  RandomStream random_{7, 7};
  uint64_t sequence_ = 0;
};

TEST_F(LearnerTest, TryStepWaitsForNobody) {
  auto learner = MakeLearner(model_);
  auto result = learner->TryStep();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->has_value());
  EXPECT_EQ(learner->counters().steps, 0);
}

TEST_F(LearnerTest, PublishesTheFirstAndThenEveryFewSteps) {
  auto learner = MakeLearner(model_);
  ASSERT_TRUE(learner->PublishFirst().ok());
  std::vector<uint64_t> versions;
  for (int i = 0; i < 4; ++i) {
    Insert();
    ASSERT_TRUE(learner->Step().ok());
    versions.push_back((*weights_->Newest())->manifest.policy().version());
  }
  EXPECT_EQ(versions, (std::vector<uint64_t>{0, 1, 1, 2}));
  const auto newest = *weights_->Newest();
  const at::Tensor& values = model_.parameters->values();
  EXPECT_TRUE(std::equal(newest->values.begin(), newest->values.end(), values.data_ptr<float>()));
}

TEST_F(LearnerTest, TheCachedLogRewardIsNeverTrainedOn) {
  auto learner = MakeLearner(model_);
  Insert();
  auto right = learner->Step();
  ASSERT_TRUE(right.ok()) << right.status();
  const at::Tensor trained = model_.parameters->values().clone();
  learner.reset();

  random_.SeekTo(0);
  Model other = *components_.MakeModel(config_);
  learner = MakeLearner(other);
  Insert(/*cached=*/50.0);
  auto same = learner->Step();
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(right->loss, same->loss);
  EXPECT_TRUE(at::equal(trained, other.parameters->values()));
}

TEST_F(LearnerTest, ABatchOfAnotherRunIsRefusedNamingBoth) {
  auto learner = MakeLearner(model_, "run-b");
  Insert();
  auto result = learner->Step();
  EXPECT_EQ(result.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("'run-a', this learner 'run-b'"));
}

TEST_F(LearnerTest, BatchesThatAreNotFiniteAreCountedAndEndTheRunOnlyInARow) {
  auto learner = MakeLearner(model_);
  model_.parameters->Data(0)[0] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor before = model_.parameters->values().clone();
  for (int i = 1; i <= 2; ++i) {
    Insert();
    auto result = learner->Step();
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_FALSE(result->applied);
    EXPECT_EQ(learner->counters().non_finite, i);
  }
  EXPECT_TRUE(at::equal(before.nan_to_num(-7), model_.parameters->values().nan_to_num(-7)));
  Insert();
  auto last = learner->Step();
  EXPECT_EQ(last.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(last.status().message()), HasSubstr("learning_rate"));
}

TEST_F(LearnerTest, ARestoredOneTrainsOnAsIfItHadNeverStopped) {
  auto learner = MakeLearner(model_);
  ASSERT_TRUE(learner->PublishFirst().ok());
  Insert();
  ASSERT_TRUE(learner->Step().ok());
  Checkpoint checkpoint;
  ASSERT_TRUE(learner->Save(checkpoint.manifest, checkpoint.files).ok());
  auto replay_state = replay_->Save();
  ASSERT_TRUE(replay_state.ok());
  const uint64_t random = random_.position();
  Insert();
  ASSERT_TRUE(learner->Step().ok());
  const at::Tensor whole = model_.parameters->values().clone();
  learner.reset();

  replay_ = *ReplayService::Create(ReplayServiceOptions::FromConfig(
      config_, identity_.run_id, identity_.environment_fingerprint));
  ASSERT_TRUE(replay_->Restore(*replay_state).ok());
  weights_ = std::make_unique<InProcessWeights>();
  sequence_ = 1;
  random_.SeekTo(random);
  Model other = *components_.MakeModel(config_);
  learner = MakeLearner(other);
  ASSERT_TRUE(learner->Restore(checkpoint, /*repeat=*/true).ok());
  EXPECT_EQ(learner->counters().steps, 1);
  Insert();
  ASSERT_TRUE(learner->Step().ok());
  EXPECT_TRUE(at::equal(whole, other.parameters->values()));
  EXPECT_EQ(learner->policy_version().generation(), 1);
  EXPECT_EQ(learner->policy_version().version(), 1);
}

TEST_F(LearnerTest, ARestartedOneTakesAHigherGeneration) {
  auto learner = MakeLearner(model_);
  Checkpoint checkpoint;
  ASSERT_TRUE(learner->Save(checkpoint.manifest, checkpoint.files).ok());
  ASSERT_TRUE(learner->PublishFirst().ok());
  ASSERT_TRUE(learner->Restore(checkpoint, /*repeat=*/false).ok());
  EXPECT_EQ(learner->policy_version().generation(), 2);
  ASSERT_TRUE(learner->PublishFirst().ok());
  // And fences off what is left of the first.
  auto old = std::make_shared<WeightSnapshot>();
  old->manifest.mutable_policy()->set_generation(1);
  old->manifest.mutable_policy()->set_version(99);
  const absl::Status late = weights_->Publish(old);
  EXPECT_EQ(late.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(late.message()), HasSubstr("STALE_GENERATION"));
}

TEST_F(LearnerTest, AnotherRunsCheckpointIsRefusedNamingBoth) {
  auto learner = MakeLearner(model_);
  Checkpoint checkpoint;
  ASSERT_TRUE(learner->Save(checkpoint.manifest, checkpoint.files).ok());
  checkpoint.manifest.set_run_id("run-z");
  const absl::Status status = learner->Restore(checkpoint, true);
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("run-z"));
}

}  // namespace
}  // namespace anabranch
