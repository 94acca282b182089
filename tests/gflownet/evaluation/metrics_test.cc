#include "gflownet/evaluation/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

namespace anabranch {
namespace {

using ::testing::HasSubstr;

constexpr double kNone = -std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::vector<double> Logs(std::vector<double> probabilities) {
  for (double& p : probabilities) p = std::log(p);
  return probabilities;
}

std::string MessageOf(const absl::Status& status) { return std::string(status.message()); }

TEST(MetricsTest, DistancesAreThoseWorkedOutByHand) {
  const auto d = CompareDistributions(Logs({0.5, 0.5}), Logs({0.25, 0.75}));
  ASSERT_TRUE(d.ok()) << d.status();
  EXPECT_NEAR(d->total_variation, 0.25, 1e-12);
  EXPECT_NEAR(d->sum_l1, 0.5, 1e-12);
  EXPECT_NEAR(d->kl_pq, 0.5 * std::log(2.0) + 0.5 * std::log(2.0 / 3.0), 1e-12);
  EXPECT_NEAR(d->kl_qp, 0.25 * std::log(0.5) + 0.75 * std::log(1.5), 1e-12);
  EXPECT_NEAR(d->jensen_shannon,
              0.25 * std::log(0.5 / 0.375) + 0.25 * std::log(0.5 / 0.625) +
                  0.125 * std::log(0.25 / 0.375) + 0.375 * std::log(0.75 / 0.625),
              1e-12);
}

TEST(MetricsTest, DisjointDistributionsAreAsFarApartAsCanBe) {
  const std::vector<double> p = {0.0, kNone}, q = {kNone, 0.0};
  const auto d = CompareDistributions(p, q);
  ASSERT_TRUE(d.ok()) << d.status();
  EXPECT_EQ(d->total_variation, 1.0);
  EXPECT_NEAR(d->jensen_shannon, std::log(2.0), 1e-12);
  EXPECT_EQ(d->kl_pq, -kNone);
  EXPECT_EQ(d->kl_qp, -kNone);
}

TEST(MetricsTest, ProbabilitiesTooSmallForDoubleAddNothing) {
  const std::vector<double> p = {0.0, -800.0}, q = {0.0, kNone};
  const auto d = CompareDistributions(p, q);
  ASSERT_TRUE(d.ok()) << d.status();
  EXPECT_EQ(d->kl_pq, 0.0);
  EXPECT_EQ(d->sum_l1, 0.0);
}

TEST(MetricsTest, WrongInputIsNamed) {
  const std::vector<double> fine = Logs({0.5, 0.5});
  EXPECT_THAT(MessageOf(CompareDistributions(fine, Logs({1.0})).status()),
              HasSubstr("log_p has 2 entries and log_q has 1"));
  EXPECT_THAT(MessageOf(CompareDistributions(fine, std::vector<double>{0.0, kNan}).status()),
              HasSubstr("log_q[1] is nan"));
  EXPECT_THAT(MessageOf(CompareDistributions(Logs({0.5, 0.4}), fine).status()),
              HasSubstr("log_p sum to 0.9"));
  EXPECT_FALSE(CompareDistributions({}, {}).ok());
  EXPECT_THAT(MessageOf(ExpectedReward(fine, std::vector<double>{kNan, 0.0}).status()),
              HasSubstr("log_rewards[0] is nan"));
  EXPECT_THAT(MessageOf(TargetDistribution(std::vector<double>{0.0, -kNone}).status()),
              HasSubstr("log_rewards[1] is inf"));
  EXPECT_THAT(MessageOf(TargetDistribution(std::vector<double>{kNone}).status()),
              HasSubstr("no target"));
}

TEST(MetricsTest, TargetIsProportionalToTheReward) {
  const std::vector<double> log_rewards = {std::log(3.0), kNone, std::log(1.0)};
  const auto target = TargetDistribution(log_rewards);
  ASSERT_TRUE(target.ok()) << target.status();
  EXPECT_NEAR(std::exp((*target)[0]), 0.75, 1e-12);
  EXPECT_EQ((*target)[1], kNone);
  EXPECT_NEAR(*ExpectedReward(*target, log_rewards), 0.75 * 3 + 0.25 * 1, 1e-12);
}

TEST(MetricsTest, LogSumExpNeitherOverflowsNorVanishes) {
  EXPECT_NEAR(LogSumExp(std::vector<double>{1000.0, 1000.0}), 1000.0 + std::log(2.0), 1e-12);
  EXPECT_NEAR(LogSumExp(std::vector<double>{-1000.0, kNone}), -1000.0, 1e-12);
  EXPECT_EQ(LogSumExp({}), kNone);
  EXPECT_TRUE(std::isnan(LogSumExp(std::vector<double>{kNan})));
  EXPECT_TRUE(std::isnan(LogSumExp(std::vector<double>{kNone, kNan, kNone})));
  EXPECT_TRUE(std::isnan(LogSumExp(std::vector<double>{1.0, kNan})));
}

TEST(MetricsTest, TopKAreTheLargest) {
  const std::vector<double> values = {3.0, 9.0, 1.0, 7.0, 7.0};
  EXPECT_EQ(*TopKMean(values, 1), 9.0);
  EXPECT_NEAR(*TopKMean(values, 3), 23.0 / 3, 1e-12);
  EXPECT_NEAR(*TopKMean(values, 100), 27.0 / 5, 1e-12);
  EXPECT_FALSE(TopKMean(values, 0).ok());
  EXPECT_FALSE(TopKMean({}, 3).ok());
  EXPECT_THAT(MessageOf(TopKMean(std::vector<double>{1.0, kNan}, 1).status()),
              HasSubstr("values[1]"));
}

}  // namespace
}  // namespace anabranch
