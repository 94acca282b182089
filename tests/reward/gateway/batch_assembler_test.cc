#include "reward/gateway/batch_assembler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

namespace anabranch {
namespace {

constexpr absl::Duration kWait = absl::Milliseconds(5);
constexpr absl::Time kStart = absl::UnixEpoch();

// "a0+3 b0+1": the pieces of the next batch.
template <typename Assembler>
std::string Next(Assembler& assembler) {
  if (!assembler.ready()) return "none";
  std::string out;
  for (const auto& piece : assembler.Take()) {
    if (!out.empty()) out += " ";
    out += *piece.caller + std::to_string(piece.first) + "+" + std::to_string(piece.count);
  }
  return out;
}

struct BatchAssemblerTest : testing::Test {
  BatchAssembler<const std::string> assembler{kWait};
  const std::string a = "a", b = "b", c = "c";
};

TEST_F(BatchAssemblerTest, SmallRequestsAreJoinedToTheSize) {
  assembler.Add(a, "k", 3, 8, kStart);
  assembler.Add(b, "k", 4, 8, kStart);
  EXPECT_EQ(Next(assembler), "none");
  assembler.Add(c, "k", 3, 8, kStart);
  EXPECT_EQ(Next(assembler), "a0+3 b0+4 c0+1");
  EXPECT_EQ(Next(assembler), "none");
  assembler.Flush(kStart + kWait);
  EXPECT_EQ(Next(assembler), "c1+2");
}

TEST_F(BatchAssemblerTest, LargeRequestsAreSplitAndOnlyTheRestWaits) {
  assembler.Add(a, "k", 20, 8, kStart);
  EXPECT_EQ(Next(assembler), "a0+8");
  EXPECT_EQ(Next(assembler), "a8+8");
  EXPECT_EQ(Next(assembler), "none");
  EXPECT_EQ(assembler.due(), kStart + kWait);
  assembler.Flush(kStart + kWait);
  EXPECT_EQ(Next(assembler), "a16+4");
  EXPECT_EQ(assembler.due(), absl::InfiniteFuture());
}

TEST_F(BatchAssemblerTest, NoObjectWaitsLongerThanTheFirstOfItsBatch) {
  assembler.Add(a, "k", 1, 8, kStart);
  assembler.Add(b, "k", 1, 8, kStart + kWait / 2);
  EXPECT_EQ(assembler.due(), kStart + kWait);
  assembler.Flush(kStart + kWait - absl::Nanoseconds(1));
  EXPECT_EQ(Next(assembler), "none");
  assembler.Flush(kStart + kWait);
  EXPECT_EQ(Next(assembler), "a0+1 b0+1");
}

TEST_F(BatchAssemblerTest, OnlyWhatHasTheSameKeyIsJoined) {
  assembler.Add(a, "k", 4, 8, kStart);
  assembler.Add(b, "other", 4, 8, kStart + absl::Milliseconds(1));
  assembler.Add(c, "k", 4, 8, kStart + absl::Milliseconds(2));
  EXPECT_EQ(Next(assembler), "a0+4 c0+4");
  EXPECT_EQ(assembler.due(), kStart + absl::Milliseconds(1) + kWait);
}

TEST_F(BatchAssemblerTest, EveryObjectIsInOneBatchAndNoBatchIsTooLarge) {
  std::mt19937 random(7);
  std::vector<std::string> callers(200);
  std::vector<int> objects(callers.size());
  std::vector<std::vector<int>> seen(callers.size());
  BatchAssembler<std::string> all{kWait};
  absl::Time now = kStart;
  for (size_t i = 0; i < callers.size(); ++i) {
    objects[i] = 1 + static_cast<int>(random() % 30);
    seen[i].resize(objects[i]);
    now += absl::Milliseconds(random() % 4);
    // The size may change in between, when the oracle describes itself anew.
    all.Add(callers[i], random() % 2 == 0 ? "x" : "y", objects[i], i < 100 ? 8 : 5, now);
    all.Flush(now);
  }
  all.Flush(absl::InfiniteFuture());
  while (all.ready()) {
    int size = 0;
    for (const auto& piece : all.Take()) {
      size += piece.count;
      for (int i = 0; i < piece.count; ++i) ++seen[piece.caller - &callers[0]][piece.first + i];
    }
    EXPECT_LE(size, 8);
    EXPECT_GE(size, 1);
  }
  for (const auto& counts : seen) EXPECT_THAT(counts, testing::Each(1));
}

}  // namespace
}  // namespace anabranch
