// What tests of the learner's parts share: a small grid, a real replay, and trajectories for it.
#ifndef ANABRANCH_TESTS_LEARNER_LEARNER_FIXTURE_H_
#define ANABRANCH_TESTS_LEARNER_LEARNER_FIXTURE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gflownet/rollout/rollout.h"
#include "replay/replay_service.h"
#include "runtime/components/run_components.h"
#include "runtime/components/run_identity.h"
#include "runtime/components/sampling.h"
#include "runtime/config.h"
#include "runtime/trajectory_codec.h"

namespace anabranch {

class LearnerFixture : public testing::Test {
 protected:
  static constexpr int64_t kBatch = 8;

  void SetUpRun(std::vector<std::string> flags = {}) {
    ConfigOverrides overrides;
    overrides.flags = std::move(flags);
    auto config = ParseRunConfig(R"(
environment: {hypergrid: {dimensions: 2, side: 8}}
policy: {mlp: {hidden_layers: 1, hidden_width: 8}}
learner: {batch_trajectories: 8}
)",
                                 "test.yaml", overrides);
    ASSERT_TRUE(config.ok()) << config.status();
    config_ = *config;
    auto components = MakeRunComponents(config_);
    ASSERT_TRUE(components.ok()) << components.status();
    components_ = *std::move(components);
    identity_ = {"run-a", components_.environment->spec().fingerprint, 42};
    auto replay = ReplayService::Create(ReplayServiceOptions::FromConfig(
        config_, identity_.run_id, identity_.environment_fingerprint));
    ASSERT_TRUE(replay.ok()) << replay.status();
    replay_ = *std::move(replay);
  }

  v1::Handshake Handshake() const {
    v1::Handshake handshake;
    handshake.set_run_id(identity_.run_id);
    handshake.set_environment_fingerprint(identity_.environment_fingerprint);
    handshake.mutable_source()->set_client_incarnation(identity_.incarnation);
    return handshake;
  }

  std::unique_ptr<SampleStream> OpenSamples() {
    auto samples = replay_->OpenSample(SampleOpeningFromConfig(config_, Handshake()));
    EXPECT_TRUE(samples.ok()) << samples.status();
    return *std::move(samples);
  }

  // Trajectories of the untrained policy, or of a snapshot's.
  v1::TrajectoryBatch MakeBatch(const WeightSnapshot* snapshot = nullptr) {
    Model model = *components_.MakeModel(config_);
    if (snapshot != nullptr) {
      std::copy(snapshot->values.begin(), snapshot->values.end(),
                model.parameters->values().data_ptr<float>());
    }
    RolloutOptions options;
    options.trajectories = kBatch;
    EvaluatedTrajectories columns;
    EXPECT_TRUE(Rollout(*components_.environment, *model.policy)
                    .Forward(options, random_, columns.trajectories)
                    .ok());
    components_.reward->Evaluate(columns.trajectories.objects, columns.rewards);
    ShapedRewards shaped;
    EXPECT_TRUE(components_.shaping->Shape(columns.rewards, shaped).ok());
    columns.log_rewards = shaped.log_rewards;
    BatchHeader header;
    header.run_id = identity_.run_id;
    header.environment_fingerprint = identity_.environment_fingerprint;
    header.object_format = components_.environment->spec().object_format;
    header.objectives = {"reward"};
    header.reward_shaping_hash = components_.shaping->hash();
    header.source = Handshake().source();
    header.policy.set_generation(1);
    if (snapshot != nullptr) header.policy = snapshot->manifest.policy();
    header.first_trajectory_number = kBatch * sequence_;
    auto batch = EncodeTrajectories(columns, header);
    EXPECT_TRUE(batch.ok()) << batch.status();
    return *std::move(batch);
  }

  void Insert(v1::TrajectoryBatch batch) {
    if (inserts_ == nullptr) inserts_ = OpenInserts();
    v1::InsertBatch insert;
    insert.set_sequence(++sequence_);
    *insert.mutable_batch() = std::move(batch);
    auto answer = inserts_->Insert(std::move(insert));
    ASSERT_TRUE(answer.ok()) << answer.status();
    ASSERT_EQ(answer->result(), v1::INSERT_RESULT_INSERTED) << answer->refusal().message();
  }

  std::unique_ptr<InsertStream> OpenInserts() {
    v1::InsertOpening opening;
    *opening.mutable_handshake() = Handshake();
    auto inserts = replay_->OpenInsert(opening);
    EXPECT_TRUE(inserts.ok()) << inserts.status();
    return *std::move(inserts);
  }

  v1::RunConfig config_;
  RunComponents components_;
  RunIdentity identity_;
  std::unique_ptr<ReplayService> replay_;
  std::unique_ptr<InsertStream> inserts_;
  RandomStream random_{7, 7};
  uint64_t sequence_ = 0;
};

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_LEARNER_LEARNER_FIXTURE_H_
