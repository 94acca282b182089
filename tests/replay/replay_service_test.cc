#include "replay/replay_service.h"

#include <cmath>
#include <limits>
#include <memory>
#include <thread>
#include <utility>

#include "gtest/gtest.h"
#include "runtime/refusal.h"
#include "tests/replay/test_batches.h"

namespace anabranch {
namespace {

constexpr uint64_t kClient = 7;

std::unique_ptr<ReplayService> Make(ReplayServiceOptions options = MakeServiceOptions()) {
  auto service = ReplayService::Create(std::move(options));
  if (!service.ok()) ADD_FAILURE() << service.status();
  return *std::move(service);
}

v1::InsertAcknowledgement Insert(ReplayService& service, v1::InsertBatch batch) {
  auto answer = service.Insert(kClient, std::move(batch), absl::InfinitePast());
  if (!answer.ok()) ADD_FAILURE() << answer.status();
  return answer.ok() ? *answer : v1::InsertAcknowledgement();
}

v1::GetInfoResponse Info(ReplayService& service) { return *service.GetInfo({}); }

TEST(ReplayService, WhatIsInsertedIsSampled) {
  auto service = Make();
  EXPECT_EQ(Insert(*service, MakeInsert(1, MakeBatch(4))).result(), v1::INSERT_RESULT_INSERTED);
  auto stream = *service->OpenSample(MakeSampleOpening(3));
  const v1::SampledBatch batch = *stream->Next();
  ASSERT_EQ(batch.batch().lengths_size(), 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(NumberOf(batch.batch(), i), i);
  EXPECT_EQ(batch.item_keys_size(), 3);
  EXPECT_EQ(batch.probabilities(2), 1.0);
  EXPECT_EQ(batch.times_sampled(2), 1u);
  EXPECT_FALSE((*stream->TryNext()).has_value()) << "one trajectory is left, three are needed";
}

TEST(ReplayService, ReSentBatchIsCountedOnce) {
  auto service = Make();
  EXPECT_EQ(Insert(*service, MakeInsert(1, MakeBatch(4))).result(), v1::INSERT_RESULT_INSERTED);
  EXPECT_EQ(Insert(*service, MakeInsert(1, MakeBatch(4))).result(), v1::INSERT_RESULT_DUPLICATE);
  const v1::GetInfoResponse info = Info(*service);
  EXPECT_EQ(info.acknowledged_trajectories(), 4u);
  EXPECT_EQ(info.tables(0).inserts(), 4u);
  EXPECT_EQ(info.tables(0).items(), 4u);
  EXPECT_EQ(info.tables(0).duplicates(), 4u);
  EXPECT_EQ(service
                ->QueryObjects([] {
                  v1::QueryObjectsRequest request;
                  *request.mutable_handshake() = MakeHandshake();
                  return request;
                }())
                ->objects()
                .visits(0),
            1u);
  v1::InsertOpening opening;
  *opening.mutable_handshake() = MakeHandshake(kClient);
  EXPECT_EQ((*service->OpenInsert(opening))->opened().acknowledged_sequence(), 1u);
  opening.mutable_handshake()->mutable_source()->set_client_incarnation(99);
  EXPECT_EQ((*service->OpenInsert(opening))->opened().acknowledged_sequence(), 0u);
}

// Every way to spoil a batch, and where the refusal must point.
TEST(ReplayService, RefusedBatchLeavesNothing) {
  struct Case {
    const char* field;
    int index;  // −1: none.
    void (*spoil)(v1::InsertBatch&);
  };
  const Case cases[] = {
      {"run_id", -1, [](auto& b) { b.mutable_batch()->set_run_id("other"); }},
      {"environment_fingerprint", -1,
       [](auto& b) { b.mutable_batch()->set_environment_fingerprint("other"); }},
      {"sequence", -1, [](auto& b) { b.set_sequence(0); }},
      {"lengths", -1, [](auto& b) { b.mutable_batch()->clear_lengths(); }},
      {"lengths", 2, [](auto& b) { b.mutable_batch()->set_lengths(2, 0); }},
      {"lengths", 1, [](auto& b) { b.mutable_batch()->set_lengths(1, 0xFFFFFFFFu); }},
      {"actions", -1, [](auto& b) { b.mutable_batch()->add_actions(1); }},
      {"action_values", -1, [](auto& b) { b.mutable_batch()->add_action_values(1); }},
      {"policy_log_probs", 3, [](auto& b) { b.mutable_batch()->set_policy_log_probs(3, NAN); }},
      {"behaviour_log_probs", -1, [](auto& b) { b.mutable_batch()->add_behaviour_log_probs(1); }},
      {"statuses", -1, [](auto& b) { b.mutable_batch()->clear_statuses(); }},
      {"statuses", 1,
       [](auto& b) { b.mutable_batch()->set_statuses(1, v1::OBJECT_STATUS_UNSPECIFIED); }},
      {"raw_values", -1, [](auto& b) { b.mutable_batch()->add_raw_values(1); }},
      {"raw_values", 2, [](auto& b) { b.mutable_batch()->set_raw_values(2, INFINITY); }},
      {"raw_value_valid", -1, [](auto& b) { b.mutable_batch()->add_raw_value_valid(true); }},
      {"log_rewards", 0, [](auto& b) { b.mutable_batch()->set_log_rewards(0, NAN); }},
      {"reward_shaping_hash", -1, [](auto& b) { b.mutable_batch()->clear_reward_shaping_hash(); }},
      {"policy_versions", -1, [](auto& b) { b.mutable_batch()->clear_policy_versions(); }},
      {"source_index", 0, [](auto& b) { b.mutable_batch()->mutable_source_index()->Resize(3, 1); }},
      {"condition_index", 0,
       [](auto& b) { b.mutable_batch()->mutable_condition_index()->Resize(3, 1); }},
      {"initial_state_index", 0,
       [](auto& b) { b.mutable_batch()->mutable_initial_state_index()->Resize(3, 4); }},
      {"initial_states.data", -1,
       [](auto& b) { b.mutable_batch()->mutable_initial_states()->set_data("x"); }},
      {"conditions.features", -1,
       [](auto& b) {
         b.mutable_batch()->mutable_conditions()->set_count(1);
         b.mutable_batch()->mutable_conditions()->set_feature_width(2);
       }},
      {"origins", 2,
       [](auto& b) {
         b.mutable_batch()->mutable_origins()->Resize(3, 1);
         b.mutable_batch()->mutable_origins()->Set(2, 55);
       }},
      {"object_keys", -1, [](auto& b) { b.mutable_batch()->mutable_object_keys()->push_back(0); }},
      {"state_keys", -1, [](auto& b) { b.mutable_batch()->mutable_state_keys()->pop_back(); }},
      {"object_lengths", -1, [](auto& b) { b.mutable_batch()->add_object_lengths(0); }},
      {"object_data", -1, [](auto& b) { b.mutable_batch()->mutable_object_data()->pop_back(); }},
      {"object_format", -1, [](auto& b) { b.mutable_batch()->clear_object_format(); }},
      {"tables", 0, [](auto& b) { b.add_tables()->set_table("nowhere"); }},
      {"tables", 1,
       [](auto& b) {
         b.add_tables()->set_table("fresh");
         b.add_tables()->set_table("fresh");
       }},
      {"tables[0].priorities", 1,
       [](auto& b) {
         v1::TableInsert& table = *b.add_tables();
         table.set_table("fresh");
         table.mutable_priorities()->Resize(3, -1);
         table.set_priorities(0, 0);
       }},
      {"batch", -1, [](auto& b) { *b.mutable_batch() = MakeBatch(50); }},
  };
  ReplayServiceOptions options = MakeServiceOptions();
  options.tables[0].max_items = 40;
  auto service = Make(options);
  const std::string untouched = *service->Save();
  for (const Case& c : cases) {
    v1::InsertBatch batch = MakeInsert(1, MakeBatch(3, 1));
    c.spoil(batch);
    const v1::InsertAcknowledgement answer = Insert(*service, std::move(batch));
    EXPECT_EQ(answer.result(), v1::INSERT_RESULT_REFUSED) << c.field;
    const v1::Refusal& refusal = answer.refusal();
    EXPECT_EQ(refusal.field(), c.field) << refusal.ShortDebugString();
    EXPECT_EQ(refusal.has_index() ? static_cast<int>(refusal.index()) : -1, c.index)
        << refusal.ShortDebugString();
    EXPECT_FALSE(refusal.message().empty());
    EXPECT_NE(refusal.code(), 0);
    EXPECT_EQ(Info(*service).tables(0).inserts(), 0u) << c.field;
    EXPECT_EQ(Info(*service).objects(), 0u) << c.field;
  }
  EXPECT_EQ(Insert(*service, MakeInsert(1, MakeBatch(3, 1))).result(), v1::INSERT_RESULT_INSERTED)
      << "a refused sequence may come again";
  EXPECT_NE(*service->Save(), untouched);
}

TEST(ReplayService, BatchesMustAgreeOnTheirLayout) {
  auto service = Make();
  Insert(*service, MakeInsert(1, MakeBatch(3)));
  v1::TrajectoryBatch other = MakeBatch(3);
  other.set_objectives(0, "affinity");
  v1::Refusal refusal = Insert(*service, MakeInsert(2, other)).refusal();
  EXPECT_EQ(refusal.reason(), "LAYOUT_MISMATCH");
  EXPECT_EQ(refusal.field(), "objectives");
  EXPECT_NE(refusal.message().find("affinity"), std::string::npos);
  EXPECT_NE(refusal.message().find("\"reward\""), std::string::npos);
  other = MakeBatch(3);
  other.set_reward_shaping_hash("ffff");
  EXPECT_EQ(Insert(*service, MakeInsert(2, other)).refusal().field(), "reward_shaping_hash");
  other = MakeBatch(3);
  other.set_reward_fingerprint("oracle/2");
  EXPECT_EQ(Insert(*service, MakeInsert(2, other)).refusal().field(), "reward_fingerprint");
}

TEST(ReplayService, AnotherOracleIsTakenWhereItMayChange) {
  ReplayServiceOptions options = MakeServiceOptions();
  options.allow_reward_fingerprint_change = true;
  auto service = Make(options);
  Insert(*service, MakeInsert(1, MakeBatch(3)));
  v1::TrajectoryBatch other = MakeBatch(3, 3);
  other.set_reward_fingerprint("oracle/2");
  EXPECT_EQ(Insert(*service, MakeInsert(2, other)).result(), v1::INSERT_RESULT_INSERTED);
  EXPECT_EQ((*service->OpenSample(MakeSampleOpening(6)))->Next()->batch().lengths_size(), 6);
  v1::QueryObjectsRequest request;
  *request.mutable_handshake() = MakeHandshake();
  EXPECT_EQ(service->QueryObjects(request)->objects().reward_fingerprint(), "oracle/2")
      << "the newest";
}

TEST(ReplayService, AnotherRunOrEnvironmentIsRefusedByName) {
  auto service = Make();
  v1::InsertOpening opening;
  *opening.mutable_handshake() = MakeHandshake();
  opening.mutable_handshake()->set_environment_fingerprint("grid/1.0.0 side=16");
  const absl::Status insert = service->OpenInsert(opening).status();
  EXPECT_EQ(insert.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(insert.message().find("side=16"), absl::string_view::npos);
  EXPECT_NE(insert.message().find("side=8"), absl::string_view::npos);
  v1::SampleOpening sample = MakeSampleOpening(1);
  sample.mutable_handshake()->set_run_id("run-2");
  const absl::Status refused = service->OpenSample(sample).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(refused.message().find("run-2"), absl::string_view::npos);
  EXPECT_NE(refused.message().find("run-1"), absl::string_view::npos);
}

TEST(ReplayService, BadSampleOpeningsAreRefused) {
  auto service = Make();
  v1::SampleOpening opening = MakeSampleOpening(0);
  EXPECT_EQ(service->OpenSample(opening).status().code(), absl::StatusCode::kInvalidArgument);
  opening = MakeSampleOpening(1);
  opening.mutable_mixture(0)->set_table("nowhere");
  EXPECT_EQ(service->OpenSample(opening).status().code(), absl::StatusCode::kNotFound);
  opening = MakeSampleOpening(1);
  opening.mutable_mixture(0)->set_share(0.5);
  EXPECT_EQ(service->OpenSample(opening).status().code(), absl::StatusCode::kInvalidArgument);
  opening = MakeSampleOpening(1);
  opening.clear_mixture();
  EXPECT_EQ(service->OpenSample(opening).status().code(), absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(service->OpenSample(MakeSampleOpening(1)).ok());
  opening = MakeSampleOpening(1);
  opening.set_consumer_group("another");
  EXPECT_EQ(service->OpenSample(opening).status().code(), absl::StatusCode::kFailedPrecondition);
}

ReplayServiceOptions TwoTables() {
  ReplayServiceOptions options = MakeServiceOptions();
  ReplayTableOptions& all = options.tables.emplace_back();
  all.name = "all";
  all.selector = v1::REPLAY_SELECTOR_UNIFORM;
  all.max_times_sampled = 0;
  return options;
}

v1::SampleOpening TwoTablesOpening(uint32_t n) {
  v1::SampleOpening opening = MakeSampleOpening(n);
  opening.mutable_mixture(0)->set_share(0.7);
  v1::TableShare& share = *opening.add_mixture();
  share.set_table("all");
  share.set_share(0.3);
  return opening;
}

TEST(ReplayService, MixtureDrawsItsShares) {
  auto service = Make(TwoTables());
  Insert(*service, MakeInsert(1, MakeBatch(100)));
  auto stream = *service->OpenSample(TwoTablesOpening(5));
  int from_fresh = 0;
  for (int i = 0; i < 20; ++i) {
    const v1::SampledBatch batch = *stream->Next();
    ASSERT_EQ(batch.batch().lengths_size(), 5);
    for (int row = 0; row < 5; ++row) {
      const int number = NumberOf(batch.batch(), row);
      ASSERT_GE(number, 0);
      if (batch.table_index(row) == 0) {
        ASSERT_EQ(number, from_fresh++);
      }
    }
  }
  EXPECT_EQ(from_fresh, 70);
  EXPECT_EQ(Info(*service).tables(1).samples(), 30u);
}

// What a run in lock-step does from the state on: inserts and samples, all of it in the bytes.
std::string GoOn(ReplayService& service, SampleStream& stream) {
  std::string all;
  for (int i = 10; i < 20; ++i) {
    all += Insert(service, MakeInsert(i, MakeBatch(8, 8 * i))).SerializeAsString();
    all += stream.Next()->SerializeAsString();
  }
  return all + *service.Save();
}

TEST(ReplayService, RestoreContinuesByteForByte) {
  ReplayServiceOptions options = TwoTables();
  options.max_objects = 60;
  options.tables[1].max_items = 50;
  options.clock = [] { return absl::FromUnixMicros(123); };
  auto service = Make(options);
  auto stream = *service->OpenSample(TwoTablesOpening(7));
  for (int i = 1; i < 10; ++i) {
    Insert(*service, MakeInsert(i, MakeBatch(8, 8 * i)));
    ASSERT_TRUE(stream->Next().ok());
  }
  const std::string state = *service->Save();
  auto restored = Make(options);
  ASSERT_TRUE(restored->Restore(state).ok()) << restored->Restore(state);
  EXPECT_EQ(*restored->Save(), state);
  EXPECT_EQ(Insert(*restored, MakeInsert(4, MakeBatch(8, 32))).result(),
            v1::INSERT_RESULT_DUPLICATE);
  EXPECT_EQ(Insert(*service, MakeInsert(4, MakeBatch(8, 32))).result(),
            v1::INSERT_RESULT_DUPLICATE);
  auto restored_stream = *restored->OpenSample(TwoTablesOpening(7));
  EXPECT_EQ(GoOn(*restored, *restored_stream), GoOn(*service, *stream));
}

TEST(ReplayService, StateOfAnotherRunOrSpoiltIsRefused) {
  auto service = Make();
  Insert(*service, MakeInsert(1, MakeBatch(3)));
  const std::string state = *service->Save();
  ReplayServiceOptions options = MakeServiceOptions();
  options.environment_fingerprint = "grid/1.0.0 side=16";
  EXPECT_EQ(Make(options)->Restore(state).code(), absl::StatusCode::kFailedPrecondition);
  options = MakeServiceOptions();
  options.tables[0].name = "stale";
  EXPECT_EQ(Make(options)->Restore(state).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Make()->Restore(state.substr(0, state.size() / 2)).code(), absl::StatusCode::kDataLoss);
  v1::ReplayState parsed;
  ASSERT_TRUE(parsed.ParseFromString(state));
  parsed.mutable_chunks(0)->set_lengths(0, 40);
  const absl::Status status = Make()->Restore(parsed.SerializeAsString());
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(status.message().find("stored batch 0"), absl::string_view::npos) << status;
}

TEST(ReplayService, MissingObjectKeysAreComputed) {
  auto service = Make();
  v1::TrajectoryBatch batch = MakeBatch(2);
  const std::string keys = batch.object_keys();
  batch.clear_object_keys();
  Insert(*service, MakeInsert(1, batch));
  auto stream = *service->OpenSample(MakeSampleOpening(2));
  EXPECT_EQ(stream->Next()->batch().object_keys(), keys);
  EXPECT_EQ(Info(*service).objects(), 2u);
}

TEST(ReplayService, PacingKeepsOneSamplePerInsertBetweenThreads) {
  v1::RunConfig config;
  v1::ReplayTableConfig& table = *config.mutable_replay()->add_tables();
  table.set_name("fresh");
  table.set_selector(v1::REPLAY_SELECTOR_FIFO);
  table.set_max_items(1000);
  table.set_max_times_sampled(1);
  config.mutable_learner()->set_batch_trajectories(16);
  config.mutable_learner()->set_samples_per_insert(1);
  config.mutable_actor()->set_max_pending_batches(2);
  auto service = Make(ReplayServiceOptions::FromConfig(config, kRun, kEnvironment));
  constexpr int kBatches = 200;
  std::thread actor([&] {
    v1::InsertOpening opening;
    *opening.mutable_handshake() = MakeHandshake();
    auto stream = *service->OpenInsert(opening);
    for (int i = 1; i <= kBatches; ++i) {
      const auto answer = stream->Insert(MakeInsert(i, MakeBatch(16, 16 * i)));
      ASSERT_TRUE(answer.ok()) << answer.status();
      ASSERT_EQ(answer->result(), v1::INSERT_RESULT_INSERTED);
    }
  });
  auto stream = *service->OpenSample(MakeSampleOpening(16));
  for (int i = 1; i <= kBatches; ++i) {
    const auto batch = stream->Next();
    ASSERT_TRUE(batch.ok()) << batch.status();
    ASSERT_EQ(NumberOf(batch->batch(), 0), 16 * i);
    const v1::TableInfo info = Info(*service).tables(0);
    // In the table: what pacing lets wait, and never more.
    ASSERT_LE(info.inserts() - info.samples(), 1u + 32 + 16 + 1);
  }
  actor.join();
  EXPECT_EQ(Info(*service).tables(0).samples(), 16u * kBatches);
  EXPECT_EQ(Info(*service).tables(0).samples_per_insert(), 1.0);
}

TEST(ReplayService, SavingWhileOthersWorkIsConsistent) {
  auto service = Make();
  std::thread actor([&] {
    for (int i = 1; i <= 100; ++i) Insert(*service, MakeInsert(i, MakeBatch(4, 4 * i)));
  });
  for (int i = 0; i < 20; ++i) {
    v1::ReplayState state;
    ASSERT_TRUE(state.ParseFromString(*service->Save()));
    EXPECT_EQ(state.tables(0).inserts(), state.acknowledged_trajectories());
    EXPECT_EQ(static_cast<uint64_t>(state.objects().ordinals_size()),
              state.acknowledged_trajectories());
    EXPECT_EQ(state.clients_size() == 0 ? 0 : 4 * state.clients(0).floor(),
              state.acknowledged_trajectories());
  }
  actor.join();
}

TEST(ReplayService, UpdatePrioritiesNamesWhatIsWrong) {
  auto service = Make();
  v1::UpdatePrioritiesRequest request;
  *request.mutable_handshake() = MakeHandshake();
  request.set_table("nowhere");
  EXPECT_EQ(service->UpdatePriorities(request).status().code(), absl::StatusCode::kNotFound);
  request.set_table("fresh");
  request.add_item_keys(1);
  request.add_item_keys(2);
  request.add_priorities(1);
  request.add_priorities(-2);
  const absl::Status negative = service->UpdatePriorities(request).status();
  EXPECT_EQ(negative.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(negative.message().find("priorities[1]"), absl::string_view::npos);
  request.set_priorities(1, 2);
  EXPECT_EQ(service->UpdatePriorities(request).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace anabranch
