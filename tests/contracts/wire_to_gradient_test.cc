// Before the contracts freeze: a batch with prompts of varying length, a continuous action value,
// two objectives with a validity mask, and a condition goes from the wire through the replay table
// to a gradient in the learner. Loss and gradient are compared with the formula, computed by hand
// from what the actor had: whatever is lost or mixed up on the way shows.
#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "cli/train/in_process_channels.h"
#include "gflownet/objective/trajectory_balance.h"
#include "gflownet/rollout/rollout.h"
#include "learner/learner.h"
#include "replay/replay_service.h"
#include "runtime/trajectory_codec.h"
#include "tests/contracts/prompted_walk.h"

namespace anabranch {
namespace {

constexpr int64_t kTrajectories = 6;
const std::vector<std::string> kPrompts = {"a", "bcd", "hg", "a", "defgh", "cc"};
const std::vector<float> kConditions = {1, 0, 0.5f, 0.5f, 0, 1, 0.25f, 0.75f, 1, 0, 0.5f, 0.5f};

class WireToGradientTest : public testing::Test {
 protected:
  WireToGradientTest() : model_(PromptedWalkModel::Make()) {
    RewardShapingOptions shaping;
    shaping.scale = RewardScale::kLog;
    shaping.exponent = 2;
    shaping.objectives = {{"affinity", 1.0, true}, {"cost", 0.5, false}};
    shaping_ = std::make_unique<RewardShaping>(*RewardShaping::Create(shaping));
    identity_ = {"run-a", environment_.spec().fingerprint, 42};
    ReplayServiceOptions replay;
    replay.run_id = identity_.run_id;
    replay.environment_fingerprint = identity_.environment_fingerprint;
    ReplayTableOptions table;
    table.name = "fresh";
    replay.tables = {table};
    replay_ = *ReplayService::Create(replay);
  }

  // What an actor has after rollout and scoring.
  EvaluatedTrajectories RollOut() {
    Rollout rollout(environment_, *model_.policy);
    RolloutOptions options;
    options.trajectories = kTrajectories;
    options.record_log_pf = true;
    options.prompts = kPrompts;
    options.condition_width = PromptedWalkModel::kConditionWidth;
    options.conditions = kConditions;
    RandomStream random(3, 0);
    EvaluatedTrajectories columns;
    EXPECT_TRUE(rollout.Forward(options, random, columns.trajectories).ok());
    columns.rewards.num_objectives = 2;
    columns.rewards.status.assign(kTrajectories, ObjectStatus::kOk);
    for (int64_t i = 0; i < kTrajectories; ++i) {
      columns.rewards.values.push_back(0.1 * static_cast<double>(i) - 0.3);
      columns.rewards.values.push_back(0.2 * static_cast<double>(i));
    }
    columns.rewards.valid.assign(2 * kTrajectories, 1);
    columns.rewards.valid[2 * kUnknown + 1] = 0;  // The oracle doesn't know this one's cost,
    columns.rewards.values[2 * kUnknown + 1] = 0;
    return columns;
  }
  static constexpr int64_t kUnknown = 3;  // so reward shaping leaves it out.

  std::string ToWire(const EvaluatedTrajectories& columns) const {
    BatchHeader header;
    header.run_id = identity_.run_id;
    header.environment_fingerprint = identity_.environment_fingerprint;
    header.object_format = environment_.spec().object_format;
    header.objectives = {"affinity", "cost"};
    header.reward_fingerprint = "oracle/1";
    header.source.set_client_incarnation(identity_.incarnation);
    auto batch = EncodeTrajectories(columns, header);
    EXPECT_TRUE(batch.ok()) << batch.status();
    v1::InsertRequest request;
    request.mutable_batch()->set_sequence(1);
    *request.mutable_batch()->mutable_batch() = *std::move(batch);
    return request.SerializeAsString();
  }

  void InsertFromWire(const std::string& bytes) {
    v1::InsertRequest request;
    ASSERT_TRUE(request.ParseFromString(bytes));
    auto answer = replay_->Insert(identity_.incarnation, std::move(*request.mutable_batch()),
                                  absl::InfinitePast());
    ASSERT_TRUE(answer.ok()) << answer.status();
    ASSERT_EQ(answer->result(), v1::INSERT_RESULT_INSERTED) << answer->refusal().message();
  }

  std::unique_ptr<Learner> MakeLearner() {
    LearnerOptions options;
    options.identity = identity_;
    auto learner = Learner::Create(options, environment_, model_, objective_, *shaping_, weights_);
    EXPECT_TRUE(learner.ok()) << learner.status();
    v1::SampleOpening opening;
    opening.mutable_handshake()->set_run_id(identity_.run_id);
    opening.mutable_handshake()->set_environment_fingerprint(identity_.environment_fingerprint);
    opening.set_batch_trajectories(kTrajectories);
    opening.add_mixture()->set_table("fresh");
    opening.mutable_mixture(0)->set_share(1);
    auto samples = replay_->OpenSample(opening);
    EXPECT_TRUE(samples.ok()) << samples.status();
    (*learner)->SetSamples(*std::move(samples));
    return *std::move(learner);
  }

  // The parameters without padding: embedding [9], direction [2], stop, log_z.
  std::vector<double> Values(const at::Tensor& flat) const {
    std::vector<double> values;
    for (const ParameterSegment& segment : model_.parameters->segments()) {
      const float* data = flat.data_ptr<float>() + segment.offset;
      values.insert(values.end(), data, data + segment.size);
    }
    return values;
  }

  // Trajectory balance by hand, from what the actor had.
  static double Loss(const EvaluatedTrajectories& columns, const std::vector<double>& parameters) {
    const std::vector<double> embedding(parameters.begin(), parameters.begin() + 9);
    const std::vector<double> direction(parameters.begin() + 9, parameters.begin() + 11);
    const Trajectories& t = columns.trajectories;
    double loss = 0;
    size_t at = 0;
    for (int64_t i = 0; i < kTrajectories; ++i) {
      const auto moves_end = t.action_values.begin() + at + t.lengths[i] - 1;
      const std::vector<double> moves(t.action_values.begin() + at, moves_end);
      at += t.lengths[i];
      if (i == kUnknown) continue;
      const std::vector<double> condition = {kConditions[2 * i], kConditions[2 * i + 1]};
      const double log_reward =
          2 * (columns.rewards.values[2 * i] - 0.5 * columns.rewards.values[2 * i + 1]);
      const double delta =
          parameters[12] - log_reward +
          WalkLogPf(kPrompts[i], moves, condition, embedding, direction, parameters[11]);
      loss += delta * delta / (kTrajectories - 1);
    }
    return loss;
  }

  PromptedWalk environment_;
  Model model_;
  TrajectoryBalance objective_;
  std::unique_ptr<RewardShaping> shaping_;
  RunIdentity identity_;
  std::unique_ptr<ReplayService> replay_;
  InProcessWeights weights_;
};

TEST_F(WireToGradientTest, LossAndGradientAreThoseOfWhatTheActorHad) {
  const EvaluatedTrajectories columns = RollOut();
  const std::vector<double> before = Values(model_.parameters->values());
  InsertFromWire(ToWire(columns));
  auto learner = MakeLearner();
  auto result = learner->Step();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->applied);
  EXPECT_EQ(learner->counters().left_out, 1);
  EXPECT_EQ(learner->counters().trajectories, kTrajectories - 1);
  EXPECT_NEAR(result->loss, Loss(columns, before), 1e-4 * result->loss);

  const std::vector<double> gradient = Values(model_.parameters->gradient());
  constexpr double kStep = 1e-5;
  for (size_t p = 0; p < before.size(); ++p) {
    std::vector<double> more = before, less = before;
    more[p] += kStep;
    less[p] -= kStep;
    const double expected = (Loss(columns, more) - Loss(columns, less)) / (2 * kStep);
    EXPECT_NEAR(gradient[p], expected, 2e-3 * (1 + std::abs(expected))) << "parameter " << p;
    EXPECT_NE(gradient[p], 0) << "parameter " << p << " is reached by this batch";
  }
}

TEST_F(WireToGradientTest, WhatTheActorHadIsVaried) {
  const Trajectories t = RollOut().trajectories;
  EXPECT_GT(*std::max_element(t.lengths.begin(), t.lengths.end()),
            *std::min_element(t.lengths.begin(), t.lengths.end()));
  EXPECT_TRUE(std::any_of(t.action_values.begin(), t.action_values.end(),
                          [](float value) { return value != 0; }));
}

TEST_F(WireToGradientTest, TheRolloutsOwnLogProbabilitiesAreTheFormulas) {
  const Trajectories t = RollOut().trajectories;
  const std::vector<double> p = Values(model_.parameters->values());
  size_t at = 0;
  for (int64_t i = 0; i < kTrajectories; ++i) {
    double sum = 0;
    std::vector<double> moves;
    for (int64_t k = 0; k < t.lengths[i]; ++k) {
      sum += t.log_pf[at + k];
      if (k + 1 < t.lengths[i]) moves.push_back(t.action_values[at + k]);
    }
    at += t.lengths[i];
    EXPECT_NEAR(sum,
                WalkLogPf(kPrompts[i], moves, {kConditions[2 * i], kConditions[2 * i + 1]},
                          {p.begin(), p.begin() + 9}, {p[9], p[10]}, p[11]),
                1e-4)
        << "trajectory " << i;
  }
}

TEST_F(WireToGradientTest, ABadPromptIsNamedAndLeftBehind) {
  EvaluatedTrajectories columns = RollOut();
  columns.trajectories.prompts[4] = "XYZ";
  InsertFromWire(ToWire(columns));
  auto learner = MakeLearner();
  std::string warning;
  learner->OnWarning([&warning](absl::string_view message) { warning = std::string(message); });
  auto result = learner->Step();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->applied) << "the others are trained on";
  EXPECT_EQ(learner->counters().illegal, 1);
  EXPECT_EQ(learner->counters().trajectories, kTrajectories - 2) << "one is left out by shaping";
  EXPECT_NE(warning.find("XYZ"), std::string::npos) << warning;
}

}  // namespace
}  // namespace anabranch
