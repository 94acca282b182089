#include "replay/rate_limiter.h"

#include <cmath>

#include "gtest/gtest.h"

namespace anabranch {
namespace {

RateLimiterOptions Options(double samples_per_insert, double error_buffer, int64_t min_size = 1) {
  RateLimiterOptions options;
  options.samples_per_insert = samples_per_insert;
  options.error_buffer = error_buffer;
  options.min_size_to_sample = min_size;
  return options;
}

TEST(RateLimiter, SamplesPerInsertIsExact) {
  for (const double rate : {0.1, 0.5, 1.0, 1.7, 4.0}) {
    const int64_t insert = 16, sample = 24;
    RateLimiter limiter(Options(rate, rate * insert + sample));
    const double set_point = rate, buffer = rate * insert + sample;
    // Inserts whenever it may: samples happen only where they must.
    for (int i = 0; i < 20'000; ++i) {
      if (limiter.CanInsert(insert)) {
        limiter.DidInsert(insert);
      } else {
        ASSERT_TRUE(limiter.CanSample(sample, 1000)) << rate;
        limiter.DidSample(sample);
      }
      const double deficit =
          rate * static_cast<double>(limiter.inserts()) - static_cast<double>(limiter.samples());
      ASSERT_LE(deficit, set_point + buffer);
      ASSERT_GE(deficit, set_point - buffer);
    }
    // Samples whenever it may: the other bound.
    for (int i = 0; i < 20'000; ++i) {
      if (limiter.CanSample(sample, 1000)) {
        limiter.DidSample(sample);
      } else {
        ASSERT_TRUE(limiter.CanInsert(insert)) << rate;
        limiter.DidInsert(insert);
      }
      const double deficit =
          rate * static_cast<double>(limiter.inserts()) - static_cast<double>(limiter.samples());
      ASSERT_LE(deficit, set_point + buffer);
      ASSERT_GE(deficit, set_point - buffer);
    }
    const double ratio =
        static_cast<double>(limiter.samples()) / static_cast<double>(limiter.inserts());
    EXPECT_NEAR(ratio, rate, 2 * buffer / static_cast<double>(limiter.inserts()));
  }
}

TEST(RateLimiter, OneMoreThanTheBoundIsHeldBack) {
  RateLimiter limiter(Options(2.0, 10, 3));  // The deficit stays within 6 ± 10.
  EXPECT_TRUE(limiter.CanInsert(8));
  EXPECT_FALSE(limiter.CanInsert(9));
  limiter.DidInsert(8);
  EXPECT_FALSE(limiter.CanInsert(1));
  EXPECT_TRUE(limiter.CanSample(20, 8));
  EXPECT_FALSE(limiter.CanSample(21, 8));
}

TEST(RateLimiter, WaitsForItsMinimumSize) {
  RateLimiter limiter(Options(0, 0, 5));
  EXPECT_FALSE(limiter.CanSample(1, 4));
  EXPECT_TRUE(limiter.CanSample(1, 5));
}

TEST(RateLimiter, CountsBeyondWhatAFloatHolds) {
  RateLimiter limiter(Options(1.0, 4));
  const int64_t many = int64_t{1} << 50;
  limiter.Restore(many, many);
  EXPECT_TRUE(limiter.CanInsert(5));
  EXPECT_FALSE(limiter.CanInsert(6));
}

TEST(RateLimiterOptions, ValidateNamesTheOption) {
  EXPECT_TRUE(Options(1.0, 1).Validate().ok());
  EXPECT_NE(Options(-1, 1).Validate().message().find("samples_per_insert"),
            absl::string_view::npos);
  EXPECT_NE(Options(NAN, 1).Validate().message().find("samples_per_insert"),
            absl::string_view::npos);
  EXPECT_NE(Options(4, 3).Validate().message().find("error_buffer"), absl::string_view::npos);
  EXPECT_NE(Options(1, 1, 0).Validate().message().find("min_size_to_sample"),
            absl::string_view::npos);
}

}  // namespace
}  // namespace anabranch
