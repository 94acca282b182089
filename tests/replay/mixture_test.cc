#include "replay/mixture.h"

#include <cmath>
#include <numeric>
#include <vector>

#include "gtest/gtest.h"

namespace anabranch {
namespace {

TEST(Mixture, TotalsFollowTheShares) {
  const std::vector<std::vector<double>> mixtures = {
      {1.0}, {0.5, 0.5}, {0.3, 0.7}, {0.01, 0.02, 0.97}, {1 / 3.0, 1 / 3.0, 1 / 3.0}};
  for (const std::vector<double>& shares : mixtures) {
    for (const int64_t n : {1, 3, 16, 1000}) {
      Mixture mixture = *Mixture::Create(shares);
      std::vector<int64_t> totals(shares.size());
      for (int batch = 1; batch <= 500; ++batch) {
        const std::vector<int64_t> counts = mixture.Next(n);
        ASSERT_EQ(std::accumulate(counts.begin(), counts.end(), int64_t{0}), n);
        for (size_t t = 0; t < shares.size(); ++t) {
          ASSERT_GE(counts[t], 0);
          totals[t] += counts[t];
          const double owed = shares[t] * static_cast<double>(n * batch);
          ASSERT_LT(std::abs(static_cast<double>(totals[t]) - owed), shares.size())
              << "table " << t << " after " << batch << " batches of " << n;
        }
      }
    }
  }
}

TEST(Mixture, UndoneBatchIsAsIfNeverDrawn) {
  Mixture mixture = *Mixture::Create(std::vector<double>{0.3, 0.7});
  mixture.Next(7);
  const std::vector<int64_t> before = mixture.credits();
  const std::vector<int64_t> counts = mixture.Next(5);
  EXPECT_NE(mixture.credits(), before);
  mixture.Undo(5, counts);
  EXPECT_EQ(mixture.credits(), before);
  EXPECT_EQ(mixture.Next(5), counts);
}

TEST(Mixture, BadSharesAreRefusedByIndex) {
  const auto message = [](std::vector<double> shares) {
    return std::string(Mixture::Create(shares).status().message());
  };
  EXPECT_NE(message({0.5, 0.0, 0.5}).find("mixture[1].share"), std::string::npos);
  EXPECT_NE(message({0.5, NAN}).find("mixture[1].share"), std::string::npos);
  EXPECT_NE(message({0.5, 0.4}).find("sum to 0.9"), std::string::npos);
  EXPECT_NE(message({}).find("no table"), std::string::npos);
}

}  // namespace
}  // namespace anabranch
