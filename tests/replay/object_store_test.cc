#include "replay/object_store.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/trajectory_batch.h"
#include "tests/replay/test_batches.h"

namespace anabranch {
namespace {

void AddBatch(ObjectStore& store, v1::TrajectoryBatch batch,
              absl::Time now = absl::InfinitePast()) {
  BatchLayout layout;
  ASSERT_FALSE(CheckTrajectoryBatch(batch, true, &layout));
  store.Add(*ChunkRef(std::move(batch), std::move(layout)), now);
}

std::vector<double> AllValues(const ObjectStore& store, const v1::ObjectQuery& query,
                              uint64_t limit) {
  std::vector<double> values;
  std::string cursor;
  do {
    const auto page = store.Query(query, limit, cursor);
    if (!page.ok()) {
      ADD_FAILURE() << page.status();
      break;
    }
    values.insert(values.end(), page->objects().raw_values().begin(),
                  page->objects().raw_values().end());
    EXPECT_LE(page->objects().visits_size(), static_cast<int>(limit));
    cursor = page->next_cursor();
  } while (!cursor.empty());
  return values;
}

TEST(ObjectStore, QueryObjectsTopKIsLargest) {
  ObjectStore store(0);
  for (const int first : {40, 0, 20, 80, 60}) AddBatch(store, MakeBatch(20, first));
  const auto page = *store.Query({}, 3, "");
  EXPECT_EQ(page.total_matches(), 100u);
  EXPECT_EQ(
      std::vector<double>(page.objects().raw_values().begin(), page.objects().raw_values().end()),
      (std::vector<double>{99, 98, 97}));
  EXPECT_EQ(page.objects().object_data(), "object 99object 98object 97");
  EXPECT_EQ(page.objects().log_rewards(0), 99 / 8.0);
  EXPECT_EQ(page.objects().objectives(0), "reward");
  EXPECT_EQ(page.objects().object_format(), "text");
}

TEST(ObjectStore, PagesJoinWithoutGapOrRepeat) {
  ObjectStore store(0);
  v1::TrajectoryBatch batch = MakeBatch(50);
  for (int i = 0; i < 50; ++i) batch.set_log_rewards(i, i / 7);  // Ties.
  AddBatch(store, batch);
  std::vector<double> values = AllValues(store, {}, 7);
  EXPECT_EQ(values, AllValues(store, {}, 1000));
  std::sort(values.begin(), values.end());
  for (int i = 0; i < 50; ++i) EXPECT_EQ(values[i], i);
  EXPECT_EQ(store.Query({}, 5, "nonsense").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ObjectStore, VisitsAreCountedAndPoliciesKept) {
  ObjectStore store(0);
  AddBatch(store, MakeBatch(3, 10), absl::FromUnixMicros(5));
  v1::TrajectoryBatch again = MakeBatch(2, 11);
  again.set_policy_versions(0, 9);
  again.set_policy_generations(0, 2);
  AddBatch(store, again, absl::FromUnixMicros(8));
  EXPECT_EQ(store.size(), 3);
  v1::ObjectQuery query;
  query.set_order(v1::OBJECT_ORDER_FIRST_SEEN);
  query.set_ascending(true);
  const v1::ObjectBatch objects = store.Query(query, 10, "")->objects();
  EXPECT_EQ(objects.visits(0), 1u);
  EXPECT_EQ(objects.visits(1), 2u);
  EXPECT_EQ(objects.first_policy_generations(1), 1u);
  EXPECT_EQ(objects.first_policy_versions(1), 1u);
  EXPECT_EQ(objects.last_policy_generations(1), 2u);
  EXPECT_EQ(objects.last_policy_versions(1), 9u);
  EXPECT_EQ(objects.first_seen_unix_micros(1), 5);
  EXPECT_EQ(objects.last_seen_unix_micros(1), 8);
  EXPECT_EQ(objects.evaluation_counts(1), 1u) << "the same value again is the same evaluation";
}

TEST(ObjectStore, NoisyValuesAreAveraged) {
  ObjectStore store(0);
  v1::TrajectoryBatch batch = MakeBatch(1, 0);
  for (const double value : {1.0, 4.0, 10.0}) {
    batch.set_raw_values(0, value);
    batch.set_log_rewards(0, value);
    AddBatch(store, batch);
  }
  const v1::ObjectBatch objects = store.Query({}, 10, "")->objects();
  EXPECT_DOUBLE_EQ(objects.raw_values(0), 5.0);
  EXPECT_EQ(objects.evaluation_counts(0), 3u);
  EXPECT_EQ(objects.log_rewards(0), 10.0);
}

TEST(ObjectStore, LowestLogRewardGoesFirst) {
  ObjectStore store(10);
  AddBatch(store, MakeBatch(10, 50));
  AddBatch(store, MakeBatch(5, 40));  // All of them lower: not admitted.
  EXPECT_EQ(store.not_admitted(), 5);
  AddBatch(store, MakeBatch(4, 58));  // 58 and 59 are there; 60 and 61 push out 50 and 51.
  EXPECT_EQ(store.evicted(), 2);
  EXPECT_EQ(store.size(), 10);
  const std::vector<double> values = AllValues(store, {}, 100);
  EXPECT_EQ(values, (std::vector<double>{61, 60, 59, 58, 57, 56, 55, 54, 53, 52}));
  AddBatch(store, MakeBatch(1, 50));
  EXPECT_EQ(store.not_admitted(), 6);
}

TEST(ObjectStore, EvictionFollowsALogRewardThatChanged) {
  ObjectStore store(3);
  AddBatch(store, MakeBatch(3, 10));
  AddBatch(store, MakeBatch(1, 5));  // Full now: ranks are kept.
  v1::TrajectoryBatch better = MakeBatch(1, 10);
  better.set_log_rewards(0, 100);
  AddBatch(store, better);
  AddBatch(store, MakeBatch(1, 20));
  EXPECT_EQ(AllValues(store, {}, 100), (std::vector<double>{10, 20, 12}));
}

TEST(ObjectStore, ObjectsThatAreNotOkAreKeptApart) {
  ObjectStore store(0);
  v1::TrajectoryBatch batch = MakeBatch(3);
  batch.set_statuses(1, v1::OBJECT_STATUS_INVALID);
  batch.set_raw_values(1, std::numeric_limits<double>::quiet_NaN());
  AddBatch(store, batch);
  EXPECT_EQ(AllValues(store, {}, 10), (std::vector<double>{2, 0}));
  v1::ObjectQuery query;
  query.add_statuses(v1::OBJECT_STATUS_INVALID);
  const v1::ObjectBatch invalid = store.Query(query, 10, "")->objects();
  ASSERT_EQ(invalid.visits_size(), 1);
  EXPECT_EQ(invalid.raw_values(0), 0);
  EXPECT_FALSE(invalid.raw_value_valid(0));
  AddBatch(store, MakeBatch(3));  // Scored after all.
  EXPECT_EQ(AllValues(store, {}, 10), (std::vector<double>{2, 1, 0}));
}

TEST(ObjectStore, FiltersHoldTogether) {
  ObjectStore store(0);
  for (int first = 0; first < 100; first += 10) {
    AddBatch(store, MakeBatch(10, first), absl::FromUnixSeconds(first));
  }
  v1::ObjectQuery query;
  query.set_order(v1::OBJECT_ORDER_RAW_VALUE);
  query.set_objective("reward");
  query.set_ascending(true);
  query.set_minimum_log_reward(24 / 8.0);
  v1::ObjectiveRange& range = *query.add_objective_ranges();
  range.set_objective("reward");
  range.set_maximum(60);
  query.mutable_first_seen_from()->set_seconds(20);
  query.mutable_first_seen_before()->set_seconds(40);
  query.mutable_first_policy_from()->set_generation(1);
  query.mutable_first_policy_from()->set_version(3);
  const std::vector<double> values = AllValues(store, query, 100);
  ASSERT_EQ(values.size(), 10u);
  EXPECT_EQ(values.front(), 30);
  EXPECT_EQ(values.back(), 39);
  query.set_objective("rewart");
  const auto refused = store.Query(query, 1, "");
  EXPECT_NE(refused.status().message().find("query.objective: there is no objective \"rewart\""),
            absl::string_view::npos);
}

TEST(ObjectStore, StatisticsArePerCondition) {
  ObjectStore store(0);
  v1::TrajectoryBatch batch = MakeBatch(2, 4);
  batch.mutable_conditions()->set_count(2);
  batch.mutable_conditions()->add_inverse_temperatures(1);
  batch.mutable_conditions()->add_inverse_temperatures(32);
  batch.add_condition_index(1);
  batch.add_condition_index(2);
  AddBatch(store, batch);
  batch.set_condition_index(0, 2);
  AddBatch(store, batch);
  EXPECT_EQ(store.size(), 3);
  const v1::ObjectBatch all = store.Query({}, 10, "")->objects();
  ASSERT_EQ(all.conditions().count(), 2u);
  v1::ObjectQuery query;
  query.set_condition_key(all.conditions().keys().substr(0, 16));
  const v1::ObjectBatch some = store.Query(query, 10, "")->objects();
  ASSERT_EQ(some.conditions().count(), 1u);
  EXPECT_EQ(some.conditions().inverse_temperatures(0), all.conditions().inverse_temperatures(0));
  EXPECT_EQ(some.visits_size(), some.conditions().inverse_temperatures(0) == 32 ? 2 : 1);
}

TEST(ObjectStore, RestoredStoreIsTheSame) {
  ObjectStore store(15);
  for (const int first : {0, 20, 10, 25}) {
    v1::TrajectoryBatch batch = MakeBatch(10, first);
    batch.mutable_conditions()->set_count(1);
    batch.mutable_conditions()->add_inverse_temperatures(static_cast<float>(first));
    batch.mutable_condition_index()->Resize(10, first % 20 == 0 ? 1 : 0);
    AddBatch(store, batch, absl::FromUnixMicros(first));
  }
  v1::ObjectStoreState state, again;
  store.Save(state);
  ObjectStore restored(15);
  ASSERT_TRUE(restored.Restore(state).ok());
  restored.Save(again);
  EXPECT_EQ(state.SerializeAsString(), again.SerializeAsString());
  for (ObjectStore* each : {&store, &restored}) AddBatch(*each, MakeBatch(10, 27));
  v1::ObjectStoreState one, other;
  store.Save(one);
  restored.Save(other);
  EXPECT_EQ(one.SerializeAsString(), other.SerializeAsString());
  state.add_ordinals(3);
  EXPECT_EQ(restored.Restore(state).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(restored.size(), 0);
}

}  // namespace
}  // namespace anabranch
