#include "learner/version_lag.h"

#include <gtest/gtest.h>

namespace anabranch {
namespace {

v1::PolicyVersion Version(uint64_t generation, uint64_t version) {
  v1::PolicyVersion result;
  result.set_generation(generation);
  result.set_version(version);
  return result;
}

TEST(VersionLag, CountsBySnapshotsBehindTheNewest) {
  VersionLag lag;
  const std::vector<uint64_t> generations(5, 3);
  lag.Add(Version(3, 10), generations, std::vector<uint64_t>{10, 9, 9, 9, 4},
          std::vector<int32_t>{0, 1, 2, 3, 4});
  EXPECT_EQ(lag.last(), (std::vector<int64_t>{0, 1, 1, 1, 6}));
  EXPECT_EQ(lag.Max(), 6);
  EXPECT_DOUBLE_EQ(lag.Mean(), 9.0 / 5);
  EXPECT_EQ(lag.Quantile(0.2), 0);
  EXPECT_EQ(lag.Quantile(0.8), 1);
  EXPECT_EQ(lag.Quantile(0.99), 6);
}

TEST(VersionLag, OnlyTrajectoriesThatAreTrainedOnCount) {
  VersionLag lag;
  lag.Add(Version(1, 8), std::vector<uint64_t>{1, 1, 1}, std::vector<uint64_t>{8, 0, 7},
          std::vector<int32_t>{0, 2});
  EXPECT_EQ(lag.count(), 2);
  EXPECT_EQ(lag.Max(), 1);
}

TEST(VersionLag, OlderGenerationsAreCountedByThemselves) {
  VersionLag lag;
  lag.Add(Version(2, 1), std::vector<uint64_t>{1, 2, 0}, std::vector<uint64_t>{900, 1, 0},
          std::vector<int32_t>{0, 1, 2});
  EXPECT_EQ(lag.older_generations(), 1);
  EXPECT_EQ(lag.count(), 1);  // The last was made by no policy.
  EXPECT_EQ(lag.Max(), 0);
}

TEST(VersionLag, AColumnThatIsAbsentCountsNothing) {
  VersionLag lag;
  lag.Add(Version(1, 1), {}, {}, std::vector<int32_t>{0, 1});
  EXPECT_EQ(lag.count(), 0);
  EXPECT_EQ(lag.Quantile(0.99), 0);
}

}  // namespace
}  // namespace anabranch
