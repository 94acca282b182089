// Leases and priorities of a table, without threads.
#include <algorithm>
#include <memory>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "replay/replay_table.h"
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

  void Insert(const ChunkRef& chunk, std::span<const double> priorities = {}) {
    table->Insert(chunk, priorities, garbage);
  }
  std::vector<int> Sample(int64_t n, std::vector<LeasedDraw>* lease = nullptr) {
    last = {};
    garbage.clear();
    table->Sample(n, 0, lease, last, garbage);
    std::vector<int> numbers;
    for (const RowRef& ref : last.rows) {
      numbers.push_back(NumberOf(last.chunks[ref.chunk]->batch(), static_cast<int>(ref.row)));
    }
    return numbers;
  }
  void Acknowledge(const std::vector<LeasedDraw>& lease) {
    table->Acknowledge(lease, garbage);
    garbage.clear();
  }
  v1::ReplayTableState Save() {
    v1::ReplayTableState state;
    saved = {};
    table->Save(saved, state);
    return state;
  }

  std::unique_ptr<ReplayTable> table;
  std::vector<ChunkRef> garbage;
  SampledRows last;
  SavedChunks saved;
};

TEST(ReplayTableLease, ReleasedItemsComeBackFirstAsIfNeverDrawn) {
  Fixture f(Options(v1::REPLAY_SELECTOR_FIFO, 1));
  f.Insert(MakeChunk(9));
  std::vector<LeasedDraw> first, second;
  EXPECT_EQ(f.Sample(3, &first), (std::vector<int>{0, 1, 2}));
  const std::vector<uint64_t> keys = f.last.keys;
  EXPECT_EQ(f.Sample(3, &second), (std::vector<int>{3, 4, 5}));
  f.table->Release(second);
  f.table->Release(first);
  EXPECT_EQ(f.table->stats().samples, 0);
  EXPECT_EQ(f.table->stats().leased, 0);
  EXPECT_EQ(f.Sample(3), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(f.last.keys, keys);
  EXPECT_EQ(f.last.times_sampled, (std::vector<uint32_t>{1, 1, 1}));
  EXPECT_EQ(f.Sample(6), (std::vector<int>{3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(f.table->stats().samples, 9);
  EXPECT_FALSE(f.table->CanSample(1));
}

TEST(ReplayTableLease, LeasedItemsStayUntilAcknowledgedAndAreNotDrawnMeanwhile) {
  Fixture f(Options(v1::REPLAY_SELECTOR_UNIFORM, 1));
  const ChunkRef chunk = MakeChunk(4);
  f.Insert(chunk);
  std::vector<LeasedDraw> lease;
  f.Sample(4, &lease);
  EXPECT_FALSE(f.table->CanSample(1));
  EXPECT_EQ(f.table->stats().items, 4);
  EXPECT_EQ(f.table->stats().leased, 4);
  EXPECT_EQ(f.table->stats().bytes, chunk->bytes());
  EXPECT_EQ(f.table->stats().used_up, 0);
  f.Acknowledge(lease);
  EXPECT_EQ(f.table->stats().items, 0);
  EXPECT_EQ(f.table->stats().leased, 0);
  EXPECT_EQ(f.table->stats().bytes, 0);
  EXPECT_EQ(f.table->stats().used_up, 4);
  EXPECT_EQ(f.table->stats().samples, 4);
}

// Leases that are always acknowledged change nothing about what is drawn.
TEST(ReplayTableLease, AcknowledgedLeasesDrawWhatNoLeasesDo) {
  for (const auto selector :
       {v1::REPLAY_SELECTOR_FIFO, v1::REPLAY_SELECTOR_UNIFORM, v1::REPLAY_SELECTOR_PRIORITISED}) {
    Fixture plain(Options(selector, 3)), leased(Options(selector, 3));
    for (int round = 0; round < 20; ++round) {
      const ChunkRef chunk = MakeChunk(6, 6 * round);
      plain.Insert(chunk);
      leased.Insert(chunk);
      std::vector<LeasedDraw> lease;
      ASSERT_EQ(plain.Sample(14), leased.Sample(14, &lease)) << SelectorName(selector);
      ASSERT_EQ(plain.last.keys, leased.last.keys);
      ASSERT_EQ(plain.last.times_sampled, leased.last.times_sampled);
      ASSERT_EQ(plain.last.probabilities, leased.last.probabilities);
      leased.Acknowledge(lease);
      ASSERT_EQ(plain.table->stats().items, leased.table->stats().items);
      ASSERT_EQ(plain.table->stats().used_up, leased.table->stats().used_up);
    }
  }
}

TEST(ReplayTableLease, ItemGoesOnlyWhenTheLastOfItsLeasesIsAcknowledged) {
  Fixture f(Options(v1::REPLAY_SELECTOR_FIFO, 2));
  f.Insert(MakeChunk(1));
  std::vector<LeasedDraw> first, second, third;
  f.Sample(1, &first);
  f.Sample(1, &second);
  EXPECT_FALSE(f.table->CanSample(1));
  f.Acknowledge(second);
  EXPECT_EQ(f.table->stats().items, 1) << "the first draw is not acknowledged yet";
  f.table->Release(first);
  ASSERT_TRUE(f.table->CanSample(1));
  EXPECT_FALSE(f.table->CanSample(2)) << "one of its two draws was acknowledged";
  f.Sample(1, &third);
  EXPECT_EQ(f.last.times_sampled, (std::vector<uint32_t>{2}));
  f.Acknowledge(third);
  EXPECT_EQ(f.table->stats().items, 0);
  EXPECT_EQ(f.table->stats().samples, 2);
}

// Draws, releases and acknowledgements in any order: every item is acknowledged exactly as often as
// it may be sampled, and pacing counts exactly what was not given back.
TEST(ReplayTableLease, EveryDrawIsAcknowledgedOnceThroughAStorm) {
  for (const auto selector :
       {v1::REPLAY_SELECTOR_FIFO, v1::REPLAY_SELECTOR_UNIFORM, v1::REPLAY_SELECTOR_PRIORITISED}) {
    Fixture f(Options(selector, 2));
    RandomStream random(8, 1);
    std::vector<std::vector<LeasedDraw>> leases;
    std::vector<std::vector<int>> contents;
    constexpr int kItems = 60;
    f.Insert(MakeChunk(kItems));
    std::vector<int> acknowledged(kItems);
    int64_t done = 0, outstanding = 0;
    while (done < 2 * kItems) {
      const auto n = static_cast<int64_t>(1 + random.NextBelow(5));
      if (random.NextBelow(2) == 0 && f.table->CanSample(n)) {
        std::vector<int> numbers = f.Sample(n, &leases.emplace_back());
        contents.push_back(numbers);
        outstanding += n;
      } else if (!leases.empty()) {
        const size_t i = random.NextBelow(leases.size());
        const auto size = static_cast<int64_t>(leases[i].size());
        outstanding -= size;
        if (random.NextBelow(2) == 0) {
          f.table->Release(leases[i]);
        } else {
          f.Acknowledge(leases[i]);
          done += size;
          for (const int number : contents[i]) ++acknowledged[number];
        }
        leases.erase(leases.begin() + static_cast<ptrdiff_t>(i));
        contents.erase(contents.begin() + static_cast<ptrdiff_t>(i));
      }
      ASSERT_EQ(f.table->stats().samples, done + outstanding);
    }
    EXPECT_EQ(acknowledged, std::vector<int>(kItems, 2)) << SelectorName(selector);
    EXPECT_EQ(f.table->stats().items, 0);
    EXPECT_EQ(f.table->stats().leased, 0);
    EXPECT_EQ(f.table->stats().bytes, 0);
  }
}

TEST(ReplayTableLease, LeasedItemsCountTowardsMaxBytesAndMakeRoom) {
  ReplayTableOptions options = Options(v1::REPLAY_SELECTOR_FIFO, 1);
  const ChunkRef first = MakeChunk(3, 0), second = MakeChunk(3, 3), third = MakeChunk(3, 6);
  options.max_bytes = second->bytes() + third->bytes();
  Fixture f(options);
  f.Insert(first);
  std::vector<LeasedDraw> lease, other;
  f.Sample(3, &lease);
  f.Insert(second);
  f.Sample(1, &other);
  f.Insert(third);
  f.last = {};
  f.garbage.clear();
  EXPECT_TRUE(first.unique());
  EXPECT_EQ(f.table->stats().bytes, options.max_bytes);
  EXPECT_EQ(f.table->stats().evicted_for_bytes, 3);
  EXPECT_EQ(f.table->stats().leased, 1);
  f.table->Release(lease);  // What made room is gone, and was never sampled.
  EXPECT_EQ(f.table->stats().samples, 1);
  f.table->Release(other);
  EXPECT_EQ(f.Sample(6), (std::vector<int>{3, 4, 5, 6, 7, 8}));
}

TEST(ReplayTableLease, SavedStateHasLeasedDrawsAsNeverDrawn) {
  for (const auto selector : {v1::REPLAY_SELECTOR_FIFO, v1::REPLAY_SELECTOR_UNIFORM}) {
    Fixture f(Options(selector, 1));
    f.Insert(MakeChunk(8));
    std::vector<LeasedDraw> lease;
    f.Sample(2);
    f.Sample(4, &lease);
    const v1::ReplayTableState state = f.Save();
    EXPECT_EQ(state.samples(), 2u);
    EXPECT_EQ(state.item_keys_size(), 6);
    Fixture g(Options(selector, 1));
    ASSERT_TRUE(g.table->Restore(state, f.saved.chunks).ok());
    EXPECT_EQ(g.table->stats().leased, 0);
    ASSERT_TRUE(g.table->CanSample(6));
    std::vector<int> again = g.Sample(6);
    if (selector == v1::REPLAY_SELECTOR_FIFO) {
      EXPECT_EQ(again, (std::vector<int>{2, 3, 4, 5, 6, 7}));
    }
    EXPECT_EQ(std::set<int>(again.begin(), again.end()).size(), 6u);
    EXPECT_EQ(g.last.times_sampled, std::vector<uint32_t>(6, 1));
    f.table->Release(lease);  // The table that was saved goes on, too.
    EXPECT_EQ(f.Sample(6).size(), 6u);
  }
}

// The lease that was drawn later is still out when the earlier one has come back.
TEST(ReplayTableLease, SavedOrderOfAUsedOnceQueueIsThatOfInsertion) {
  Fixture f(Options(v1::REPLAY_SELECTOR_FIFO, 1)), g(Options(v1::REPLAY_SELECTOR_FIFO, 1));
  f.Insert(MakeChunk(8));
  std::vector<LeasedDraw> first, second;
  f.Sample(2, &first);
  f.Sample(2, &second);
  f.table->Release(first);
  const v1::ReplayTableState state = f.Save();
  ASSERT_TRUE(g.table->Restore(state, f.saved.chunks).ok());
  EXPECT_EQ(g.Sample(8), (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(ReplayTablePriority, RestoredTableDrawsTheSame) {
  ReplayTableOptions options = Options(v1::REPLAY_SELECTOR_PRIORITISED, 5);
  options.max_items = 30;
  options.priority_exponent = 0.6;
  options.priority = v1::REPLAY_PRIORITY_LOSS;
  Fixture f(options);
  for (int i = 0; i < 4; ++i) f.Insert(MakeChunk(9, 9 * i));
  f.Sample(31);
  for (size_t i = 0; i < f.last.keys.size(); ++i) {
    f.table->UpdatePriority(f.last.keys[i], 0.1 * static_cast<double>(1 + i % 7));
  }
  Fixture g(options);
  const v1::ReplayTableState state = f.Save();
  ASSERT_TRUE(g.table->Restore(state, f.saved.chunks).ok());
  for (int round = 0; round < 5; ++round) {
    const ChunkRef chunk = MakeChunk(9, 100 + 9 * round);
    f.Insert(chunk);
    g.Insert(chunk);
    ASSERT_EQ(f.Sample(7), g.Sample(7));
    ASSERT_EQ(f.last.probabilities, g.last.probabilities);
    ASSERT_EQ(f.last.priorities, g.last.priorities);
    const double loss = f.last.priorities[0] / 2;
    ASSERT_EQ(f.table->UpdatePriority(f.last.keys[0], loss),
              g.table->UpdatePriority(g.last.keys[0], loss));
  }
  EXPECT_EQ(f.Save().SerializeAsString(), g.Save().SerializeAsString());
}

TEST(ReplayTablePriority, NewItemsEnterALossTableWithItsHighest) {
  ReplayTableOptions options = Options(v1::REPLAY_SELECTOR_PRIORITISED, 0);
  options.priority = v1::REPLAY_PRIORITY_LOSS;
  Fixture f(options);
  const std::vector<double> ignored = {9, 9};
  f.Insert(MakeChunk(2), ignored);
  f.Sample(20);
  EXPECT_EQ(f.last.priorities, std::vector<double>(20, 1.0)) << "an empty table's highest is 1";
  const std::set<uint64_t> keys(f.last.keys.begin(), f.last.keys.end());
  ASSERT_EQ(keys.size(), 2u);
  EXPECT_TRUE(f.table->UpdatePriority(*keys.begin(), 0));
  EXPECT_TRUE(f.table->UpdatePriority(*keys.rbegin(), 7));
  f.Insert(MakeChunk(1, 2));
  f.Sample(200);
  for (size_t i = 0; i < 200; ++i) {
    ASSERT_EQ(f.last.priorities[i], 7);
    ASSERT_EQ(f.last.probabilities[i], 0.5);
    ASSERT_NE(f.last.keys[i], *keys.begin());
  }
}

TEST(ReplayTablePriority, PrioritySurvivesALeaseAndCanChangeDuringIt) {
  Fixture f(Options(v1::REPLAY_SELECTOR_PRIORITISED, 1));
  const std::vector<double> priorities = {3, 0, 0};
  f.Insert(MakeChunk(3), priorities);
  std::vector<LeasedDraw> lease;
  EXPECT_EQ(f.Sample(1, &lease), (std::vector<int>{0}));
  EXPECT_TRUE(f.table->UpdatePriority(lease[0].key, 5));
  f.table->Release(lease);
  EXPECT_EQ(f.Sample(1, &lease), (std::vector<int>{0}));
  EXPECT_EQ(f.last.priorities, (std::vector<double>{5}));
  f.Acknowledge({lease.back()});
  EXPECT_FALSE(f.table->UpdatePriority(lease[0].key, 5)) << "the item is gone";
}

TEST(ReplayTablePriority, ContradictoryPrioritiesAreRefused) {
  Fixture f(Options(v1::REPLAY_SELECTOR_PRIORITISED, 0));
  f.Insert(MakeChunk(3));
  const v1::ReplayTableState good = f.Save();
  const auto restore = [&](const v1::ReplayTableState& state) {
    Fixture g(Options(v1::REPLAY_SELECTOR_PRIORITISED, 0));
    return g.table->Restore(state, f.saved.chunks);
  };
  EXPECT_TRUE(restore(good).ok());
  v1::ReplayTableState bad = good;
  bad.set_item_priorities(1, -1);
  EXPECT_EQ(restore(bad).code(), absl::StatusCode::kDataLoss);
  bad = good;
  bad.mutable_item_priorities()->RemoveLast();
  EXPECT_EQ(restore(bad).code(), absl::StatusCode::kDataLoss);
}

TEST(ReplayTablePriority, BadExponentIsRefusedByName) {
  ReplayTableOptions options = Options(v1::REPLAY_SELECTOR_PRIORITISED, 0);
  options.priority_exponent = -1;
  EXPECT_NE(options.Validate().message().find("priority_exponent: is -1"), absl::string_view::npos);
}

}  // namespace
}  // namespace anabranch
