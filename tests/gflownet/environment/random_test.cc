#include "gflownet/random.h"

#include <array>
#include <vector>

#include "gtest/gtest.h"

namespace anabranch {
namespace {

using Words = std::array<uint32_t, 4>;

TEST(RandomStreamTest, KnownAnswersOfPhilox4x32With10Rounds) {
  EXPECT_EQ(RandomStream::Block(0, 0, 0), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(RandomStream::Block(~0ull, ~0ull, ~0ull),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(RandomStreamTest, SeekToResumesAtEveryPosition) {
  RandomStream all(7, 3);
  std::vector<uint32_t> words;
  for (int i = 0; i < 23; ++i) words.push_back(all.NextBits());
  for (uint64_t position = 0; position < words.size(); ++position) {
    RandomStream resumed(7, 3);
    resumed.SeekTo(position);
    EXPECT_EQ(resumed.position(), position);
    EXPECT_EQ(resumed.NextBits(), words[position]);
    EXPECT_EQ(resumed.position(), position + 1);
  }
}

TEST(RandomStreamTest, StreamsAndSeedsDiffer) {
  RandomStream a(1, 1), b(1, 2), c(2, 1);
  const uint32_t first = a.NextBits();
  EXPECT_NE(first, b.NextBits());
  EXPECT_NE(first, c.NextBits());
}

TEST(RandomStreamTest, NextBelowCoversItsRangeEvenly) {
  RandomStream random(11, 0);
  constexpr int kDraws = 60000;
  std::array<int, 6> counts{};
  for (int i = 0; i < kDraws; ++i) ++counts[random.NextBelow(6)];
  double chi_square = 0;
  for (const int count : counts) {
    chi_square += (count - kDraws / 6.0) * (count - kDraws / 6.0) / (kDraws / 6.0);
  }
  EXPECT_LT(chi_square, 20.5);  // 0.999 quantile for 5 degrees of freedom.
}

// 64 fresh bits of a twin that draws the same words.
uint64_t DrawBits(RandomStream& twin) {
  const uint64_t high = twin.NextBits();
  return high << 32 | twin.NextBits();
}

TEST(RandomStreamTest, NextBelowAPowerOfTwoIsTheLowBits) {
  RandomStream random(3, 9), twin(3, 9);
  for (int bit = 0; bit < 64; ++bit) {
    const uint64_t n = uint64_t{1} << bit;
    EXPECT_EQ(random.NextBelow(n), DrawBits(twin) & (n - 1)) << n;
  }
  EXPECT_EQ(random.position(), twin.position()) << "none of 2^64 values is one too many";
}

// 2^64 = 1·n + (2^63 − 1): just under half of all values are one too many. What is left are n
// successive numbers, so that each remainder has exactly one of them.
TEST(RandomStreamTest, NextBelowThrowsAwayWhatWouldFavourSmallNumbers) {
  constexpr uint64_t kN = (uint64_t{1} << 63) + 1;
  constexpr uint64_t kTooMany = (uint64_t{1} << 63) - 1;
  RandomStream random(3, 9), twin(3, 9);
  int thrown_away = 0;
  for (int i = 0; i < 200; ++i) {
    uint64_t bits = DrawBits(twin);
    for (; bits < kTooMany; bits = DrawBits(twin)) ++thrown_away;
    ASSERT_EQ(random.NextBelow(kN), bits % kN);
    ASSERT_EQ(random.position(), twin.position());
  }
  EXPECT_GT(thrown_away, 100);
}

TEST(RandomStreamTest, UniformsLieInTheHalfOpenUnitInterval) {
  RandomStream random(5, 0);
  double sum = 0;
  for (int i = 0; i < 100000; ++i) {
    const float x = random.NextUniform();
    const double y = random.NextUniformDouble();
    ASSERT_TRUE(x >= 0 && x < 1 && y >= 0 && y < 1);
    sum += x + y;
  }
  EXPECT_NEAR(sum / 200000, 0.5, 0.003);  // Five standard errors.
}

}  // namespace
}  // namespace anabranch
