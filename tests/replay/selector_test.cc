#include "replay/selector.h"

#include <set>
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

TEST(Selectors, SavedOrderDrawsTheSame) {
  for (const auto kind : {v1::REPLAY_SELECTOR_FIFO, v1::REPLAY_SELECTOR_UNIFORM}) {
    const auto selector = *MakeSelector(kind);
    RandomStream random(3, 1);
    for (uint32_t slot = 0; slot < 40; ++slot) selector->Insert(slot, 1);
    for (int i = 0; i < 25; ++i) selector->Select(random);
    for (const uint32_t slot : {3u, 30u, 17u}) selector->Remove(slot);
    const auto copy = *MakeSelector(kind);
    for (const uint32_t slot : Order(*selector)) copy->Insert(slot, 1);
    RandomStream same(3, 1);
    same.SeekTo(random.position());
    for (int i = 0; i < 100; ++i) {
      ASSERT_EQ(selector->Select(random).slot, copy->Select(same).slot) << SelectorName(kind);
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
