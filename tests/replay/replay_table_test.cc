#include "replay/replay_table.h"

#include <memory>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "tests/replay/test_batches.h"

namespace anabranch {
namespace {

ReplayTableOptions Options(v1::ReplaySelector selector, int64_t max_times_sampled) {
  ReplayTableOptions options;
  options.name = "table";
  options.selector = selector;
  options.max_times_sampled = max_times_sampled;
  return options;
}

struct Fixture {
  explicit Fixture(const ReplayTableOptions& options)
      : table(*ReplayTable::Create(options, 0, 5)) {}

  void Insert(const ChunkRef& chunk) { table->Insert(chunk, {}, garbage); }
  // Numbers of the trajectories drawn.
  std::vector<int> Sample(int64_t n) {
    SampledRows rows;
    table->Sample(n, 0, nullptr, rows, garbage);
    last = rows;
    std::vector<int> numbers;
    for (const RowRef& ref : rows.rows) {
      numbers.push_back(NumberOf(rows.chunks[ref.chunk]->batch(), static_cast<int>(ref.row)));
    }
    return numbers;
  }

  std::unique_ptr<ReplayTable> table;
  std::vector<ChunkRef> garbage;
  SampledRows last;
};

TEST(ReplayTable, FifoUsedOnceGivesEachTrajectoryOnceInOrder) {
  Fixture f(Options(v1::REPLAY_SELECTOR_FIFO, 1));
  f.Insert(MakeChunk(3, 0));
  f.Insert(MakeChunk(3, 3));
  EXPECT_EQ(f.Sample(4), (std::vector<int>{0, 1, 2, 3}));
  EXPECT_EQ(f.last.times_sampled, (std::vector<uint32_t>{1, 1, 1, 1}));
  EXPECT_TRUE(f.table->CanSample(2));
  EXPECT_FALSE(f.table->CanSample(3));
  EXPECT_EQ(f.Sample(2), (std::vector<int>{4, 5}));
  EXPECT_FALSE(f.table->CanSample(1));
  EXPECT_EQ(f.table->stats().used_up, 6);
}

TEST(ReplayTable, ItemsGoAfterTheirLastDraw) {
  Fixture f(Options(v1::REPLAY_SELECTOR_UNIFORM, 3));
  f.Insert(MakeChunk(10));
  EXPECT_TRUE(f.table->CanSample(30));
  EXPECT_FALSE(f.table->CanSample(31));
  std::vector<int> times(10);
  for (const int number : f.Sample(30)) ++times[number];
  EXPECT_EQ(times, std::vector<int>(10, 3));
  EXPECT_EQ(f.table->stats().items, 0);
}

TEST(ReplayTable, ChunkIsFreedWithItsLastItem) {
  Fixture f(Options(v1::REPLAY_SELECTOR_FIFO, 1));
  const ChunkRef chunk = MakeChunk(3);
  f.Insert(chunk);
  EXPECT_EQ(f.table->stats().bytes, chunk->bytes());
  f.Sample(2);
  f.last = {};
  f.garbage.clear();
  EXPECT_FALSE(chunk.unique()) << "an item is left";
  EXPECT_EQ(f.table->stats().bytes, chunk->bytes());
  f.Sample(1);
  f.last = {};
  f.garbage.clear();
  EXPECT_TRUE(chunk.unique());
  EXPECT_EQ(f.table->stats().bytes, 0);
}

TEST(ReplayTable, OldestMakeRoomForMaxItems) {
  ReplayTableOptions options = Options(v1::REPLAY_SELECTOR_FIFO, 1);
  options.max_items = 5;
  Fixture f(options);
  f.Insert(MakeChunk(4, 0));
  f.Insert(MakeChunk(3, 4));
  EXPECT_EQ(f.table->stats().items, 5);
  EXPECT_EQ(f.table->stats().evicted_for_items, 2);
  EXPECT_EQ(f.Sample(5), (std::vector<int>{2, 3, 4, 5, 6}));
}

TEST(ReplayTable, WholeChunksMakeRoomForMaxBytes) {
  ReplayTableOptions options = Options(v1::REPLAY_SELECTOR_FIFO, 1);
  const ChunkRef first = MakeChunk(3, 0), second = MakeChunk(3, 3), third = MakeChunk(3, 6);
  options.max_bytes = second->bytes() + third->bytes();
  ASSERT_LE(first->bytes() + second->bytes(), options.max_bytes);
  Fixture f(options);
  f.Insert(first);
  f.Insert(second);
  f.Insert(third);
  f.garbage.clear();
  EXPECT_TRUE(first.unique());
  EXPECT_EQ(f.table->stats().bytes, options.max_bytes);
  EXPECT_EQ(f.table->stats().evicted_for_bytes, 3);
  EXPECT_EQ(f.Sample(6), (std::vector<int>{3, 4, 5, 6, 7, 8}));
}

TEST(ReplayTable, WhatNeverFitsIsRefused) {
  ReplayTableOptions options = Options(v1::REPLAY_SELECTOR_FIFO, 1);
  options.max_items = 2;
  EXPECT_TRUE(options.CheckFits(*MakeChunk(2)).ok());
  EXPECT_EQ(options.CheckFits(*MakeChunk(3)).code(), absl::StatusCode::kInvalidArgument);
  options.max_items = 10;
  options.max_bytes = 100;
  EXPECT_NE(options.CheckFits(*MakeChunk(3)).message().find("max_bytes = 100"),
            absl::string_view::npos);
}

TEST(ReplayTable, UniformGivesProbabilityAndTimesSampled) {
  Fixture f(Options(v1::REPLAY_SELECTOR_UNIFORM, 0));
  f.Insert(MakeChunk(8));
  std::vector<uint32_t> times(8);
  const std::vector<int> numbers = f.Sample(500);
  std::set<uint64_t> keys(f.last.keys.begin(), f.last.keys.end());
  EXPECT_EQ(keys.size(), 8u);
  for (size_t i = 0; i < numbers.size(); ++i) {
    ASSERT_EQ(f.last.probabilities[i], 1.0 / 8);
    ASSERT_EQ(f.last.times_sampled[i], ++times[numbers[i]]);
  }
  EXPECT_EQ(f.last.chunks.size(), 1u) << "a chunk is held once per sample, not once per row";
}

TEST(ReplayTable, KeysAreUniqueOverTablesAndTime) {
  std::set<uint64_t> keys;
  for (const uint32_t number : {0u, 1u}) {
    auto table = *ReplayTable::Create(Options(v1::REPLAY_SELECTOR_FIFO, 1), number, 5);
    std::vector<ChunkRef> garbage;
    for (int i = 0; i < 3; ++i) {
      SampledRows rows;
      table->Insert(MakeChunk(4), {}, garbage);
      table->Sample(4, 0, nullptr, rows, garbage);
      keys.insert(rows.keys.begin(), rows.keys.end());
    }
  }
  EXPECT_EQ(keys.size(), 24u);
}

TEST(ReplayTable, RestoredTableDrawsTheSame) {
  for (const auto selector : {v1::REPLAY_SELECTOR_FIFO, v1::REPLAY_SELECTOR_UNIFORM}) {
    ReplayTableOptions options = Options(selector, 4);
    options.max_items = 30;
    Fixture f(options);
    for (int i = 0; i < 4; ++i) f.Insert(MakeChunk(9, 9 * i));
    f.Sample(31);
    SavedChunks saved;
    v1::ReplayTableState state;
    f.table->Save(saved, state);
    Fixture g(options);
    ASSERT_TRUE(g.table->Restore(state, saved.chunks).ok());
    EXPECT_EQ(f.table->stats().bytes, g.table->stats().bytes);
    EXPECT_EQ(f.table->stats().samples, g.table->stats().samples);
    for (int round = 0; round < 5; ++round) {
      const ChunkRef chunk = MakeChunk(9, 100 + 9 * round);
      f.Insert(chunk);
      g.Insert(chunk);
      ASSERT_EQ(f.Sample(7), g.Sample(7));
      ASSERT_EQ(f.last.keys, g.last.keys);
      ASSERT_EQ(f.last.times_sampled, g.last.times_sampled);
    }
  }
}

TEST(ReplayTable, ContradictoryStateIsRefused) {
  Fixture f(Options(v1::REPLAY_SELECTOR_FIFO, 1));
  f.Insert(MakeChunk(3));
  SavedChunks saved;
  v1::ReplayTableState good;
  f.table->Save(saved, good);
  const auto restore = [&](const v1::ReplayTableState& state) {
    return Fixture(Options(v1::REPLAY_SELECTOR_FIFO, 1)).table->Restore(state, saved.chunks);
  };
  EXPECT_TRUE(restore(good).ok());
  v1::ReplayTableState bad = good;
  bad.set_item_rows(1, 3);
  EXPECT_EQ(restore(bad).code(), absl::StatusCode::kDataLoss);
  bad = good;
  bad.set_sampler_order(0, 1);
  EXPECT_EQ(restore(bad).code(), absl::StatusCode::kDataLoss);
  bad = good;
  bad.mutable_item_keys()->RemoveLast();
  EXPECT_EQ(restore(bad).code(), absl::StatusCode::kDataLoss);
  bad = good;
  bad.set_item_times_sampled(0, 1);
  EXPECT_EQ(restore(bad).code(), absl::StatusCode::kDataLoss);
  bad = good;
  bad.mutable_random()->set_seed(6);
  EXPECT_EQ(restore(bad).code(), absl::StatusCode::kFailedPrecondition);
}

TEST(ReplayTableOptions, RefusesAPacingThatItemsCannotLiveUpTo) {
  ReplayTableOptions options = Options(v1::REPLAY_SELECTOR_FIFO, 1);
  options.pacing.samples_per_insert = 2;
  options.pacing.error_buffer = 8;
  EXPECT_NE(options.Validate().message().find("max_times_sampled"), absl::string_view::npos);
  options.max_times_sampled = 2;
  EXPECT_TRUE(options.Validate().ok());
}

}  // namespace
}  // namespace anabranch
