#include "runtime/trajectory_codec.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace anabranch {
namespace {

BatchHeader Header() {
  BatchHeader header;
  header.run_id = "run-1";
  header.environment_fingerprint = "sequence/1.0.0";
  header.object_format = "text";
  header.objectives = {"affinity", "cost"};
  header.reward_fingerprint = "oracle/1";
  header.reward_shaping_hash = "abcd";
  header.policy.set_generation(2);
  header.policy.set_version(30);
  header.source.set_client_incarnation(99);
  header.source.set_actor_name("actor-3");
  header.first_trajectory_number = 1000;
  return header;
}

// Every column that there is: two objectives with a mask, prompts, conditions, continuous values.
EvaluatedTrajectories Everything() {
  EvaluatedTrajectories columns;
  Trajectories& t = columns.trajectories;
  t.lengths = {2, 1, 3};
  t.actions = {5, 0, 7, 1, 2, 3};
  t.log_pf = {-0.5f, -1, -1.5f, -2, -2.5f, -3};
  t.action_value_width = 2;
  for (int i = 0; i < 12; ++i) t.action_values.push_back(0.25f * static_cast<float>(i));
  t.prompts = {"once upon", "", "once upon"};
  t.condition_width = 2;
  t.conditions = {1, 2, 3, 4, 1, 2};
  t.objects = {"a", "", "long object"};
  for (const std::string& object : t.objects) {
    t.object_keys.push_back(Key128::Of(object));
    t.state_keys.push_back(Key128::Of("state " + object));
  }
  columns.rewards.num_objectives = 2;
  columns.rewards.status = {ObjectStatus::kOk, ObjectStatus::kInvalid, ObjectStatus::kOk};
  columns.rewards.values = {1.5, 2.5, 0, 0, 3.5, 0};
  columns.rewards.valid = {1, 1, 0, 0, 1, 0};
  columns.log_rewards = {0.5, -100, 1.25};
  return columns;
}

void ExpectSame(const EvaluatedTrajectories& a, const EvaluatedTrajectories& b) {
  EXPECT_EQ(a.trajectories.lengths, b.trajectories.lengths);
  EXPECT_EQ(a.trajectories.actions, b.trajectories.actions);
  EXPECT_EQ(a.trajectories.log_pf, b.trajectories.log_pf);
  EXPECT_EQ(a.trajectories.action_value_width, b.trajectories.action_value_width);
  EXPECT_EQ(a.trajectories.action_values, b.trajectories.action_values);
  EXPECT_EQ(a.trajectories.prompts, b.trajectories.prompts);
  EXPECT_EQ(a.trajectories.condition_width, b.trajectories.condition_width);
  EXPECT_EQ(a.trajectories.conditions, b.trajectories.conditions);
  EXPECT_EQ(a.trajectories.objects, b.trajectories.objects);
  EXPECT_EQ(a.trajectories.object_keys, b.trajectories.object_keys);
  EXPECT_EQ(a.trajectories.state_keys, b.trajectories.state_keys);
  EXPECT_EQ(a.rewards.num_objectives, b.rewards.num_objectives);
  EXPECT_EQ(a.rewards.status, b.rewards.status);
  EXPECT_EQ(a.rewards.values, b.rewards.values);
  EXPECT_EQ(a.rewards.valid, b.rewards.valid);
  EXPECT_EQ(a.log_rewards, b.log_rewards);
}

TEST(TrajectoryCodec, EveryColumnSurvivesTheWire) {
  const EvaluatedTrajectories columns = Everything();
  const auto batch = EncodeTrajectories(columns, Header());
  ASSERT_TRUE(batch.ok()) << batch.status();
  v1::TrajectoryBatch received;
  ASSERT_TRUE(received.ParseFromString(batch->SerializeAsString()));
  const auto decoded = DecodeTrajectories(received);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ExpectSame(decoded->columns, columns);
  EXPECT_EQ(decoded->objectives, Header().objectives);
  EXPECT_EQ(decoded->reward_fingerprint, "oracle/1");
  EXPECT_EQ(decoded->reward_shaping_hash, "abcd");
  EXPECT_EQ(decoded->policy_generations, (std::vector<uint64_t>{2, 2, 2}));
  EXPECT_EQ(decoded->policy_versions, (std::vector<uint64_t>{30, 30, 30}));
  EXPECT_EQ(batch->trajectory_numbers(2), 1002u);
  EXPECT_EQ(batch->sources(0).actor_name(), "actor-3");
}

TEST(TrajectoryCodec, OptionalColumnsMayBeMissing) {
  EvaluatedTrajectories columns;
  columns.trajectories.lengths = {1, 2};
  columns.trajectories.actions = {3, 4, 5};
  BatchHeader header = Header();
  header.objectives.clear();
  const auto batch = EncodeTrajectories(columns, header);
  ASSERT_TRUE(batch.ok()) << batch.status();
  const auto decoded = DecodeTrajectories(*batch);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ExpectSame(decoded->columns, columns);
}

TEST(TrajectoryCodec, SharedPromptsAndConditionsTravelOnce) {
  const v1::TrajectoryBatch batch = *EncodeTrajectories(Everything(), Header());
  EXPECT_EQ(batch.initial_states().lengths_size(), 2);
  EXPECT_EQ(batch.initial_states().data(), "once upon");
  EXPECT_EQ(batch.conditions().count(), 2u);
  EXPECT_EQ(batch.conditions().features_size(), 4);
}

TEST(TrajectoryCodec, ConditionIsTemperaturePreferencesFeatures) {
  v1::TrajectoryBatch batch = *EncodeTrajectories(Everything(), Header());
  v1::Conditions& conditions = *batch.mutable_conditions();
  conditions.Clear();
  conditions.set_count(1);
  conditions.add_inverse_temperatures(8);
  conditions.set_preference_width(2);
  conditions.add_preferences(0.25);
  conditions.add_preferences(0.75);
  conditions.set_feature_width(1);
  conditions.add_features(-1);
  for (int i = 0; i < 3; ++i) batch.set_condition_index(i, 1);
  const auto decoded = DecodeTrajectories(batch);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->columns.trajectories.condition_width, 4);
  const std::vector<float>& rows = decoded->columns.trajectories.conditions;
  ASSERT_EQ(rows.size(), 12u);
  EXPECT_EQ(std::vector<float>(rows.begin() + 4, rows.begin() + 8),
            (std::vector<float>{8, 0.25, 0.75, -1}));
  batch.set_condition_index(1, 0);
  const absl::Status mixed = DecodeTrajectories(batch).status();
  EXPECT_NE(mixed.message().find("condition_index[1]"), absl::string_view::npos) << mixed;
}

TEST(TrajectoryCodec, EncoderNamesTheBadColumn) {
  struct Case {
    const char* message;
    void (*spoil)(EvaluatedTrajectories&);
  };
  const Case cases[] = {
      {"lengths[1]", [](auto& c) { c.trajectories.lengths[1] = -1; }},
      {"lengths[1]", [](auto& c) { c.trajectories.lengths[1] = 0; }},
      {"actions: has", [](auto& c) { c.trajectories.actions.pop_back(); }},
      {"actions[4]", [](auto& c) { c.trajectories.actions[4] = -2; }},
      {"policy_log_probs: has", [](auto& c) { c.trajectories.log_pf.pop_back(); }},
      {"policy_log_probs[2]", [](auto& c) { c.trajectories.log_pf[2] = -INFINITY; }},
      {"action_values[3]", [](auto& c) { c.trajectories.action_values[3] = NAN; }},
      {"prompts: has", [](auto& c) { c.trajectories.prompts.pop_back(); }},
      {"conditions: has", [](auto& c) { c.trajectories.conditions.pop_back(); }},
      {"conditions.features[1]", [](auto& c) { c.trajectories.conditions[1] = NAN; }},
      {"objects: has", [](auto& c) { c.trajectories.objects.pop_back(); }},
      {"object_keys: has", [](auto& c) { c.trajectories.object_keys.pop_back(); }},
      {"statuses: has", [](auto& c) { c.rewards.status.pop_back(); }},
      {"raw_values: has", [](auto& c) { c.rewards.values.pop_back(); }},
      {"raw_values[1]", [](auto& c) { c.rewards.values[1] = NAN; }},
      {"raw_value_valid: has", [](auto& c) { c.rewards.valid.pop_back(); }},
      {"log_rewards: has", [](auto& c) { c.log_rewards.pop_back(); }},
      {"log_rewards[2]", [](auto& c) { c.log_rewards[2] = INFINITY; }},
  };
  for (const Case& c : cases) {
    EvaluatedTrajectories columns = Everything();
    c.spoil(columns);
    const absl::Status status = EncodeTrajectories(columns, Header()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.message;
    EXPECT_EQ(status.message().substr(0, std::string(c.message).size()), c.message) << status;
  }
}

TEST(TrajectoryCodec, DecoderNamesTheBadColumn) {
  struct Case {
    const char* message;
    void (*spoil)(v1::TrajectoryBatch&);
  };
  const Case cases[] = {
      {"run_id", [](auto& b) { b.clear_run_id(); }},
      {"lengths[0]",
       [](auto& b) {
         b.mutable_origins()->Resize(3, v1::TRAJECTORY_ORIGIN_FORWARD);
         b.set_origins(0, v1::TRAJECTORY_ORIGIN_OBJECT_ONLY);
       }},
      {"actions[2]", [](auto& b) { b.set_actions(2, 0x80000000u); }},
      {"actions: has", [](auto& b) { b.add_actions(2); }},
      {"action_width",
       [](auto& b) {
         b.set_action_width(2);
         b.mutable_actions()->Resize(12, 0);
       }},
      {"raw_values[4]", [](auto& b) { b.set_raw_values(4, NAN); }},
      {"statuses[0]", [](auto& b) { b.set_statuses(0, v1::OBJECT_STATUS_UNSPECIFIED); }},
      {"object_data", [](auto& b) { b.mutable_object_data()->push_back('x'); }},
      {"initial_state_index[0]", [](auto& b) { b.set_initial_state_index(0, 3); }},
      {"condition_index[2]", [](auto& b) { b.set_condition_index(2, 9); }},
  };
  for (const Case& c : cases) {
    v1::TrajectoryBatch batch = *EncodeTrajectories(Everything(), Header());
    c.spoil(batch);
    const absl::Status status = DecodeTrajectories(batch).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.message;
    EXPECT_EQ(status.message().substr(0, std::string(c.message).size()), c.message) << status;
  }
}

TEST(TrajectoryCodec, ObjectWithoutTrajectoryIsRefusedWithTheRemedy) {
  EvaluatedTrajectories columns = Everything();
  v1::TrajectoryBatch batch = *EncodeTrajectories(columns, Header());
  batch.mutable_origins()->Resize(3, v1::TRAJECTORY_ORIGIN_FORWARD);
  batch.set_origins(1, v1::TRAJECTORY_ORIGIN_OBJECT_ONLY);
  batch.set_lengths(1, 0);
  batch.mutable_actions()->RemoveLast();
  batch.mutable_policy_log_probs()->RemoveLast();
  batch.mutable_action_values()->Truncate(10);
  const absl::Status status = DecodeTrajectories(batch).status();
  EXPECT_NE(status.message().find("lengths[1]"), absl::string_view::npos) << status;
  EXPECT_NE(status.message().find("backward"), absl::string_view::npos) << status;
}

v1::EvaluateResponse Response() {
  v1::EvaluateResponse response;
  response.add_objectives("cost");
  response.add_objectives("affinity");
  for (const auto status :
       {v1::OBJECT_STATUS_OK, v1::OBJECT_STATUS_INFEASIBLE, v1::OBJECT_STATUS_BUDGET_EXHAUSTED}) {
    response.add_statuses(status);
  }
  response.add_raw_values(1);
  response.add_raw_values(2);
  response.mutable_raw_values()->Resize(6, std::numeric_limits<double>::quiet_NaN());
  return response;
}

TEST(DecodeRewards, OrdersColumnsAndKeepsStatuses) {
  const std::vector<std::string> objectives = {"affinity", "cost"};
  const auto rewards = DecodeRewards(Response(), 3, objectives);
  ASSERT_TRUE(rewards.ok()) << rewards.status();
  EXPECT_EQ(rewards->values, (std::vector<double>{2, 1, 0, 0, 0, 0}));
  EXPECT_EQ(rewards->valid, (std::vector<uint8_t>{1, 1, 0, 0, 0, 0}));
  EXPECT_EQ(rewards->status, (std::vector<ObjectStatus>{ObjectStatus::kOk, ObjectStatus::kInvalid,
                                                        ObjectStatus::kFailed}));
  EXPECT_EQ(rewards->reasons[2], "OBJECT_STATUS_BUDGET_EXHAUSTED");
}

TEST(DecodeRewards, AnswersToAnotherQuestionAreRefused) {
  const std::vector<std::string> objectives = {"affinity", "cost"};
  const std::vector<std::string> others = {"affinity", "weight"};
  EXPECT_FALSE(DecodeRewards(Response(), 2, objectives).ok());
  EXPECT_NE(DecodeRewards(Response(), 3, others).status().message().find("weight"),
            absl::string_view::npos);
  v1::EvaluateResponse response = Response();
  response.set_statuses(1, v1::OBJECT_STATUS_UNSPECIFIED);
  EXPECT_NE(DecodeRewards(response, 3, objectives).status().message().find("statuses[1]"),
            absl::string_view::npos);
  response = Response();
  response.set_raw_values(0, INFINITY);
  EXPECT_NE(DecodeRewards(response, 3, objectives).status().message().find("raw_values"),
            absl::string_view::npos);
  response = Response();
  response.add_raw_values(1);
  EXPECT_FALSE(DecodeRewards(response, 3, objectives).ok());
}

}  // namespace
}  // namespace anabranch
