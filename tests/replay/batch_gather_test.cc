#include "replay/batch_gather.h"

#include <cstdlib>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/replay/test_batches.h"

namespace anabranch {
namespace {

ChunkRef Store(v1::TrajectoryBatch batch) {
  BatchLayout layout;
  const auto refusal = CheckTrajectoryBatch(batch, true, &layout);
  if (refusal) {
    ADD_FAILURE() << refusal->ShortDebugString();
    std::abort();
  }
  return ChunkRef(std::move(batch), std::move(layout));
}

SampledRows Rows(std::vector<ChunkRef> chunks, std::vector<RowRef> rows) {
  SampledRows sample;
  sample.chunks = std::move(chunks);
  sample.rows = std::move(rows);
  return sample;
}

TEST(GatherBatch, TakesRowsFromAnyChunkInAnyOrder) {
  SampledRows sample =
      Rows({MakeChunk(5, 0), MakeChunk(5, 5)}, {{1, 2}, {0, 4}, {0, 0}, {0, 1}, {1, 3}, {1, 2}});
  const v1::TrajectoryBatch batch = GatherBatch(sample);
  std::vector<int> numbers;
  for (int i = 0; i < batch.lengths_size(); ++i) numbers.push_back(NumberOf(batch, i));
  EXPECT_EQ(numbers, (std::vector<int>{7, 4, 0, 1, 8, 7}));
}

TEST(GatherBatch, WholeChunkIsMovedIfNobodyElseHoldsIt) {
  const v1::TrajectoryBatch original = MakeBatch(3);
  ChunkRef chunk = Store(original);
  const uint32_t* const actions = chunk->batch().actions().data();
  SampledRows shared = Rows({chunk}, {{0, 0}, {0, 1}, {0, 2}});
  const v1::TrajectoryBatch copy = GatherBatch(shared);
  EXPECT_NE(copy.actions().data(), actions);
  EXPECT_EQ(copy.SerializeAsString(), original.SerializeAsString());
  shared = {};
  SampledRows alone = Rows({}, {{0, 0}, {0, 1}, {0, 2}});
  alone.chunks.push_back(std::move(chunk));
  const v1::TrajectoryBatch moved = GatherBatch(alone);
  EXPECT_EQ(moved.actions().data(), actions);
  EXPECT_EQ(moved.SerializeAsString(), original.SerializeAsString());
}

TEST(GatherBatch, GatheringAllRowsGivesTheSameAsTheWholeChunk) {
  // Two halves of one batch: no shortcut applies.
  SampledRows sample = Rows({MakeChunk(3, 0), MakeChunk(4, 3)},
                            {{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {1, 2}, {1, 3}});
  EXPECT_EQ(GatherBatch(sample).SerializeAsString(), MakeBatch(7).SerializeAsString());
}

TEST(GatherBatch, AbsentColumnsWithAMeaningAreFilledIn) {
  v1::TrajectoryBatch plain = MakeBatch(2, 0), rich = MakeBatch(2, 2);
  rich.add_raw_value_valid(true);
  rich.add_raw_value_valid(false);
  rich.mutable_evaluation_counts()->Add(4);
  rich.mutable_evaluation_counts()->Add(5);
  rich.add_origins(v1::TRAJECTORY_ORIGIN_BACKWARD);
  rich.add_origins(v1::TRAJECTORY_ORIGIN_FORWARD);
  plain.clear_policy_generations();
  plain.clear_policy_versions();
  plain.clear_state_keys();
  SampledRows sample = Rows({Store(plain), Store(rich)}, {{1, 1}, {0, 0}, {1, 0}});
  const v1::TrajectoryBatch batch = GatherBatch(sample);
  const auto list = [](const auto& column) {
    return std::vector<int>(column.begin(), column.end());
  };
  EXPECT_EQ(list(batch.raw_value_valid()), (std::vector<int>{0, 1, 1}));
  EXPECT_EQ(list(batch.evaluation_counts()), (std::vector<int>{5, 1, 4}));
  EXPECT_EQ(list(batch.origins()), (std::vector<int>{1, 1, 2}));
  EXPECT_EQ(list(batch.policy_generations()), (std::vector<int>{1, 0, 1}));
  EXPECT_TRUE(batch.state_keys().empty()) << "present only if every chunk has it";
  BatchLayout layout;
  EXPECT_FALSE(CheckTrajectoryBatch(batch, true, &layout));
}

v1::TrajectoryBatch WithDictionaries(int first, std::vector<std::string> prompts,
                                     std::vector<float> temperatures) {
  v1::TrajectoryBatch batch = MakeBatch(static_cast<int>(prompts.size()), first);
  for (size_t i = 0; i < prompts.size(); ++i) {
    batch.mutable_initial_states()->add_lengths(prompts[i].size());
    batch.mutable_initial_states()->mutable_data()->append(prompts[i]);
    batch.add_initial_state_index(i + 1);
    v1::Conditions& conditions = *batch.mutable_conditions();
    conditions.set_count(i + 1);
    conditions.add_inverse_temperatures(temperatures[i]);
    conditions.set_feature_width(2);
    conditions.add_features(temperatures[i] * 10);
    conditions.add_features(7);
    batch.add_condition_index(i + 1);
  }
  batch.add_sources()->set_client_incarnation(first + 100);
  batch.mutable_source_index()->Resize(static_cast<int>(prompts.size()), 1);
  return batch;
}

TEST(GatherBatch, DictionariesAreMergedAndHoldWhatIsNamed) {
  SampledRows sample = Rows({Store(WithDictionaries(0, {"left", "", "right"}, {1, 2, 3})),
                             Store(WithDictionaries(3, {"right", "unused"}, {3, 4}))},
                            {{1, 0}, {0, 2}, {0, 1}, {0, 2}});
  const v1::TrajectoryBatch batch = GatherBatch(sample);
  BatchLayout layout;
  ASSERT_FALSE(CheckTrajectoryBatch(batch, true, &layout));
  EXPECT_EQ(batch.initial_states().data(), "right");
  EXPECT_EQ(batch.initial_states().lengths_size(), 2);
  const auto list = [](const auto& column) {
    return std::vector<float>(column.begin(), column.end());
  };
  EXPECT_EQ(list(batch.initial_state_index()), (std::vector<float>{1, 1, 2, 1}));
  EXPECT_EQ(list(batch.condition_index()), (std::vector<float>{1, 1, 2, 1}));
  EXPECT_EQ(list(batch.conditions().inverse_temperatures()), (std::vector<float>{3, 2}));
  EXPECT_EQ(list(batch.conditions().features()), (std::vector<float>{30, 7, 20, 7}));
  ASSERT_EQ(batch.sources_size(), 2);
  EXPECT_EQ(batch.sources(0).client_incarnation(), 103u);
  EXPECT_EQ(list(batch.source_index()), (std::vector<float>{1, 2, 2, 2}));
}

TEST(GatherBatch, ContinuousActionsNeedNoDiscreteOnes) {
  v1::TrajectoryBatch batch = MakeBatch(3);
  const int total = batch.actions_size();
  batch.clear_actions();
  batch.set_action_value_width(2);
  for (int i = 0; i < 2 * total; ++i) batch.add_action_values(static_cast<float>(i));
  SampledRows sample = Rows({Store(batch)}, {{0, 1}, {0, 0}});
  const v1::TrajectoryBatch out = GatherBatch(sample);
  EXPECT_TRUE(out.actions().empty());
  EXPECT_EQ(std::vector<float>(out.action_values().begin(), out.action_values().end()),
            (std::vector<float>{2, 3, 4, 5, 0, 1}));
}

}  // namespace
}  // namespace anabranch
