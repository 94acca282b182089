#include "replay/selector.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace anabranch {
namespace {

std::vector<uint32_t> Order(const Selector& selector) {
  std::vector<uint32_t> slots;
  selector.AppendOrder(slots);
  return slots;
}

TEST(FifoSelector, DrawsTheOldestFirst) {
  const auto selector = MakeFifoSelector();
  RandomStream random(1, 1);
  for (const uint32_t slot : {4u, 2u, 9u, 0u}) selector->Insert(slot, 1);
  selector->Remove(2);
  std::vector<uint32_t> drawn;
  for (int i = 0; i < 3; ++i) {
    const Selector::Draw draw = selector->Select(random);
    EXPECT_EQ(draw.probability, 1.0);
    drawn.push_back(draw.slot);
    selector->Remove(draw.slot);
  }
  EXPECT_EQ(drawn, (std::vector<uint32_t>{4, 9, 0}));
  EXPECT_TRUE(Order(*selector).empty());
}

TEST(FifoSelector, TakesTurnsWhereItemsStay) {
  const auto selector = MakeFifoSelector();
  RandomStream random(1, 1);
  for (const uint32_t slot : {0u, 1u, 2u}) selector->Insert(slot, 1);
  std::vector<uint32_t> drawn;
  for (int i = 0; i < 7; ++i) drawn.push_back(selector->Select(random).slot);
  EXPECT_EQ(drawn, (std::vector<uint32_t>{0, 1, 2, 0, 1, 2, 0}));
}

// Pearson's chi-square over 100 items: mean 99, standard deviation 14. The seed is fixed, so the
// bounds can be tight: 70 to 130. A selector that draws without replacement falls far below, one
// that favours any third of the items by 10 % far above.
TEST(UniformSelector, UniformSelectorIsUniform) {
  const auto selector = MakeUniformSelector();
  for (uint32_t slot = 0; slot < 150; ++slot) selector->Insert(slot, 1);
  for (uint32_t slot = 0; slot < 150; slot += 3) selector->Remove(slot);
  RandomStream random(3, 1);
  std::vector<int> counts(150);
  constexpr int kDraws = 200'000;
  for (int i = 0; i < kDraws; ++i) {
    const Selector::Draw draw = selector->Select(random);
    ASSERT_EQ(draw.probability, 0.01);
    ++counts[draw.slot];
  }
  const double expected = kDraws / 100.0;
  double chi_square = 0;
  for (uint32_t slot = 0; slot < 150; ++slot) {
    if (slot % 3 == 0) {
      ASSERT_EQ(counts[slot], 0);
    } else {
      chi_square += (counts[slot] - expected) * (counts[slot] - expected) / expected;
    }
  }
  EXPECT_GT(chi_square, 70);
  EXPECT_LT(chi_square, 130);
}

// Two leases, the later of which comes back first.
TEST(FifoSelector, ReturnedItemsComeFirstInTheOrderOfTheirRanks) {
  const auto selector = MakeFifoSelector();
  RandomStream random(1, 1);
  for (uint32_t slot = 0; slot < 8; ++slot) selector->Insert(7 - slot, 1);
  std::vector<uint32_t> drawn;
  for (int i = 0; i < 6; ++i) {
    drawn.push_back(selector->Select(random).slot);
    selector->Remove(drawn.back());
  }
  for (const uint32_t i : {5u, 4u, 3u}) selector->Return(drawn[i], i, 1);
  selector->Insert(drawn[0], 1);  // A new item in a slot used before.
  EXPECT_EQ(Order(*selector), (std::vector<uint32_t>{4, 3, 2, 1, 0, 7}));
  for (const uint32_t i : {1u, 2u}) selector->Return(drawn[i], i, 1);
  EXPECT_EQ(Order(*selector), (std::vector<uint32_t>{6, 5, 4, 3, 2, 1, 0, 7}));
  EXPECT_EQ(selector->Select(random).slot, 6u);
}

// A storm of returns in any order against a sorted list of arrival numbers.
TEST(FifoSelector, StaysInOrderOfArrivalThroughAStormOfReturns) {
  const auto selector = MakeFifoSelector();
  RandomStream random(5, 1);
  std::set<uint32_t> held;  // Slots are handed out in order of arrival.
  std::vector<uint32_t> out;
  uint32_t next = 0;
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t what = random.NextBelow(3);
    if (what == 0 || (held.empty() && out.empty())) {
      selector->Insert(next, 1);
      held.insert(next++);
    } else if (what == 1 && !held.empty()) {
      const uint32_t slot = selector->Select(random).slot;
      ASSERT_EQ(slot, *held.begin());
      selector->Remove(slot);
      held.erase(slot);
      out.push_back(slot);
    } else if (!out.empty()) {
      std::swap(out[random.NextBelow(out.size())], out.back());
      if (random.NextBelow(4) > 0) {
        selector->Return(out.back(), out.back(), 1);
        held.insert(out.back());
      }
      out.pop_back();
    }
    if (i % 100 == 0) {
      ASSERT_EQ(Order(*selector), std::vector<uint32_t>(held.begin(), held.end()));
    }
  }
}

// Pearson's chi-square over 60 items with weights 1 to 60 (squared): mean 59, standard deviation
// 11. The seed is fixed. A draw by priority instead of its square, or one off by a leaf, is beyond
// all bounds.
TEST(PrioritisedSelector, DrawsWithTheProbabilityItReports) {
  const auto selector = MakePrioritisedSelector(2);
  for (uint32_t slot = 0; slot < 90; ++slot) selector->Insert(slot, slot % 3 == 0 ? 5 : 1000);
  double total = 0;
  for (uint32_t slot = 0; slot < 90; ++slot) {
    if (slot % 3 == 0) {
      selector->Remove(slot);
    } else {
      selector->Update(slot, slot + 1);
      total += (slot + 1.0) * (slot + 1.0);
    }
  }
  RandomStream random(9, 1);
  constexpr int kDraws = 200'000;
  std::vector<int> counts(90);
  for (int i = 0; i < kDraws; ++i) {
    const Selector::Draw draw = selector->Select(random);
    // Squares of whole numbers have exact sums: so the quotient is the same to the last bit.
    ASSERT_EQ(draw.probability, (draw.slot + 1.0) * (draw.slot + 1.0) / total);
    ++counts[draw.slot];
  }
  double chi_square = 0;
  for (uint32_t slot = 0; slot < 90; ++slot) {
    const double expected = slot % 3 == 0 ? 0 : kDraws * (slot + 1.0) * (slot + 1.0) / total;
    if (expected == 0) {
      ASSERT_EQ(counts[slot], 0);
    } else {
      chi_square += (counts[slot] - expected) * (counts[slot] - expected) / expected;
    }
  }
  EXPECT_GT(chi_square, 30);
  EXPECT_LT(chi_square, 92);
}

TEST(PrioritisedSelector, PriorityZeroIsNeverDrawnUnlessAllAre) {
  const auto selector = MakePrioritisedSelector(0.5);
  for (uint32_t slot = 0; slot < 10; ++slot) selector->Insert(slot, slot == 4 ? 1e-300 : 0);
  RandomStream random(2, 1);
  for (int i = 0; i < 1000; ++i) {
    const Selector::Draw draw = selector->Select(random);
    ASSERT_EQ(draw.slot, 4u);
    ASSERT_EQ(draw.probability, 1.0);
  }
  selector->Update(4, 0);
  std::vector<int> counts(10);
  for (int i = 0; i < 100'000; ++i) {
    const Selector::Draw draw = selector->Select(random);
    ASSERT_EQ(draw.probability, 0.1);
    ++counts[draw.slot];
  }
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 400);  // 4 standard deviations.
}

TEST(PrioritisedSelector, ExponentZeroMakesAllEqual) {
  const auto selector = MakePrioritisedSelector(0);
  for (uint32_t slot = 0; slot < 4; ++slot) selector->Insert(slot, slot * 1000.0);
  RandomStream random(2, 1);
  std::set<uint32_t> drawn;
  for (int i = 0; i < 200; ++i) {
    const Selector::Draw draw = selector->Select(random);
    ASSERT_EQ(draw.probability, 0.25);
    drawn.insert(draw.slot);
  }
  EXPECT_EQ(drawn.size(), 4u);
}

TEST(PrioritisedSelector, ExtremePrioritiesKeepAPositiveFiniteProbability) {
  const auto selector = MakePrioritisedSelector(8);
  selector->Insert(0, 1e300);  // Its power overflows,
  selector->Insert(1, 1e300);
  selector->Insert(2, 1e-300);  // and this one's vanishes.
  RandomStream random(2, 1);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(selector->Select(random).probability, 0.5);
  selector->Remove(0);
  selector->Remove(1);
  const Selector::Draw draw = selector->Select(random);
  EXPECT_EQ(draw.slot, 2u);
  EXPECT_EQ(draw.probability, 1.0);
}

// Inserts, updates and removals; after each the probability of a draw is that of a plain map.
TEST(PrioritisedSelector, AgreesWithANaiveModelThroughAStorm) {
  const auto selector = MakePrioritisedSelector(1);
  RandomStream random(4, 1);
  std::map<uint32_t, double> held;
  for (int i = 0; i < 20'000; ++i) {
    const auto slot = static_cast<uint32_t>(random.NextBelow(64));
    const auto priority = static_cast<double>(random.NextBelow(5));
    if (!held.contains(slot)) {
      selector->Insert(slot, priority);
      held[slot] = priority;
    } else if (random.NextBelow(2) == 0) {
      selector->Remove(slot);
      held.erase(slot);
    } else {
      selector->Update(slot, priority);
      held[slot] = priority;
    }
    if (held.empty()) continue;
    double total = 0, greatest = 0;
    for (const auto& [each, weight] : held) {
      total += weight;
      greatest = std::max(greatest, weight);
    }
    ASSERT_EQ(selector->max_priority(), greatest);
    const Selector::Draw draw = selector->Select(random);
    ASSERT_TRUE(held.contains(draw.slot));
    ASSERT_EQ(draw.probability,
              total == 0 ? 1.0 / static_cast<double>(held.size()) : held[draw.slot] / total);
  }
}

// Priorities by which the copy must be made of the same sums.
double PriorityOf(uint32_t slot) { return 1.0 / (1.0 + slot); }

TEST(Selectors, SavedOrderDrawsTheSame) {
  for (const auto kind :
       {v1::REPLAY_SELECTOR_FIFO, v1::REPLAY_SELECTOR_UNIFORM, v1::REPLAY_SELECTOR_PRIORITISED}) {
    const auto selector = *MakeSelector(kind);
    RandomStream random(3, 1);
    for (uint32_t slot = 0; slot < 40; ++slot) selector->Insert(slot, PriorityOf(slot));
    for (int i = 0; i < 25; ++i) selector->Select(random);
    for (const uint32_t slot : {3u, 30u, 17u}) selector->Remove(slot);
    const auto copy = *MakeSelector(kind);
    for (const uint32_t slot : Order(*selector)) copy->Insert(slot, PriorityOf(slot));
    RandomStream same(3, 1);
    same.SeekTo(random.position());
    for (int i = 0; i < 100; ++i) {
      const Selector::Draw draw = selector->Select(random), again = copy->Select(same);
      ASSERT_EQ(draw.slot, again.slot) << SelectorName(kind);
      ASSERT_EQ(draw.probability, again.probability) << SelectorName(kind);
    }
  }
}

TEST(Selectors, UnknownOneIsRefusedByNumber) {
  const auto selector = MakeSelector(static_cast<v1::ReplaySelector>(77));
  EXPECT_EQ(selector.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(selector.status().message().find("77"), absl::string_view::npos);
}

}  // namespace
}  // namespace anabranch
