#include "gflownet/evaluation/correlation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

namespace anabranch {
namespace {

using ::testing::HasSubstr;

TEST(CorrelationTest, PearsonIsThatWorkedOutByHand) {
  const std::vector<double> x = {1, 2, 3, 4, 5}, y = {2, 1, 4, 3, 5};
  const Correlation r = Pearson(x, y).value();
  EXPECT_NEAR(r.coefficient, 0.8, 1e-12);
  // tanh(atanh 0.8 ± 1.959964 / √2)
  EXPECT_NEAR(r.low, std::tanh(std::atanh(0.8) - 1.959963984540054 / std::sqrt(2.0)), 1e-12);
  EXPECT_NEAR(r.high, std::tanh(std::atanh(0.8) + 1.959963984540054 / std::sqrt(2.0)), 1e-12);
}

TEST(CorrelationTest, SpearmanSeesOnlyTheOrder) {
  const std::vector<double> x = {1, 2, 3, 4, 5}, y = {1, 8, 9, 1000, 1e9};
  EXPECT_EQ(Spearman(x, y)->coefficient, 1.0);
  EXPECT_EQ(Spearman(x, y)->low, 1.0);
  EXPECT_LT(Pearson(x, y)->coefficient, 0.9);
}

TEST(CorrelationTest, TiesShareTheirMeanRank) {
  // Ranks of y: 0.5, 0.5, 2, 3; of x: 0, 1, 2, 3.
  const Correlation rho =
      Spearman(std::vector<double>{1, 2, 3, 4}, std::vector<double>{5, 5, 6, 7}).value();
  EXPECT_NEAR(rho.coefficient, 4.5 / std::sqrt(5.0 * 4.5), 1e-12);
}

TEST(CorrelationTest, IntervalOfRanksIsWider) {
  const std::vector<double> x = {1, 2, 3, 4, 5, 6}, y = {2, 1, 4, 3, 6, 5};
  const Correlation pearson = Pearson(x, y).value(), spearman = Spearman(x, y).value();
  ASSERT_NEAR(pearson.coefficient, spearman.coefficient, 1e-12);
  EXPECT_LT(spearman.low, pearson.low);
  EXPECT_GT(spearman.high, pearson.high);
}

TEST(CorrelationTest, WrongInputIsNamed) {
  const std::vector<double> x = {1, 2, 3, 4};
  auto message = [&](std::vector<double> y) {
    EXPECT_EQ(Spearman(x, y).status(), Pearson(x, y).status());
    return std::string(Pearson(x, y).status().message());
  };
  EXPECT_THAT(message({1, 2, 3}), HasSubstr("x has 4 entries and y has 3"));
  EXPECT_THAT(message({1, 2, std::nan(""), 3}), HasSubstr("y[2] is nan"));
  EXPECT_THAT(message({1, 2, 3, -INFINITY}), HasSubstr("y[3] is -inf"));
  EXPECT_THAT(message({7, 7, 7, 7}), HasSubstr("all 4 values of y are 7"));
  EXPECT_FALSE(Pearson(std::vector<double>{1, 2, 3}, std::vector<double>{1, 2, 3}).ok());
}

}  // namespace
}  // namespace anabranch
