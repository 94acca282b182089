#include "runtime/retry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "runtime/error_reason.h"
#include "runtime/refusal.h"

namespace anabranch {
namespace {

using ::absl::StatusCode;
using ::testing::HasSubstr;

TEST(IsRetryable, FollowsTheTableOfCodesAndReasons) {
  const struct {
    StatusCode code;
    absl::string_view reason;
    bool retryable;
  } table[] = {
      {StatusCode::kUnavailable, "", true},
      {StatusCode::kUnavailable, kReasonDraining, true},
      {StatusCode::kAborted, "", true},
      {StatusCode::kDeadlineExceeded, "", true},
      {StatusCode::kResourceExhausted, kReasonOverloaded, true},
      {StatusCode::kResourceExhausted, kReasonDiskFull, true},
      {StatusCode::kResourceExhausted, kReasonMessageTooLarge, false},
      {StatusCode::kResourceExhausted, kReasonTooLarge, false},
      {StatusCode::kResourceExhausted, "", false},
      {StatusCode::kResourceExhausted, "SOMETHING_NEW", false},
      {StatusCode::kOk, "", false},
      {StatusCode::kCancelled, "", false},
      {StatusCode::kUnknown, "", false},
      {StatusCode::kUnknown, kReasonOverloaded, false},
      {StatusCode::kInvalidArgument, kReasonOutOfRange, false},
      {StatusCode::kNotFound, "", false},
      {StatusCode::kAlreadyExists, "", false},
      {StatusCode::kPermissionDenied, "", false},
      {StatusCode::kFailedPrecondition, kReasonStaleGeneration, false},
      {StatusCode::kFailedPrecondition, kReasonFingerprintChanged, false},
      {StatusCode::kFailedPrecondition, kReasonSchemaMismatch, false},
      {StatusCode::kOutOfRange, "", false},
      {StatusCode::kUnimplemented, "", false},
      {StatusCode::kInternal, "", false},
      {StatusCode::kDataLoss, kReasonCorrupt, false},
      {StatusCode::kUnauthenticated, "", false},
  };
  for (const auto& row : table) {
    absl::Status status(row.code, "UNAVAILABLE, OVERLOADED, please retry");
    if (!row.reason.empty()) status = WithReason(status, row.reason);
    EXPECT_EQ(IsRetryable(status), row.retryable)
        << absl::StatusCodeToString(row.code) << " " << row.reason;
  }
}

TEST(Backoff, GrowsByTheMultiplierUpToTheMaximum) {
  BackoffOptions options;
  options.initial = absl::Milliseconds(100);
  options.maximum = absl::Milliseconds(700);
  options.multiplier = 2;
  options.jitter = 0;
  Backoff backoff(options, 1);
  std::vector<int64_t> waits;
  for (int i = 0; i < 5; ++i) {
    waits.push_back(absl::ToInt64Microseconds(backoff.Next() + absl::Nanoseconds(500)));
  }
  EXPECT_EQ(waits, (std::vector<int64_t>{100000, 200000, 400000, 700000, 700000}));
  EXPECT_EQ(backoff.tries(), 5);
  backoff.Reset();
  EXPECT_EQ(backoff.tries(), 0);
  EXPECT_EQ(absl::ToInt64Milliseconds(backoff.Next()), 100);
}

TEST(Backoff, StaysAtTheMaximumHoweverManyTriesThereWere) {
  BackoffOptions options;
  options.jitter = 0;
  Backoff backoff(options, 1);
  for (int i = 0; i < 5000; ++i) backoff.Next();
  EXPECT_EQ(backoff.Next(), options.maximum);
  options.multiplier = 1;
  options.maximum = options.initial;
  Backoff constant(options, 1);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(constant.Next(), options.initial);
}

TEST(Backoff, JitterFillsItsWholeRangeAndNoMore) {
  BackoffOptions options;
  options.maximum = options.initial;
  options.jitter = 0.5;
  Backoff backoff(options, 7);
  double least = 1, most = 0, sum = 0;
  constexpr int kDraws = 10000;
  for (int i = 0; i < kDraws; ++i) {
    const double share = absl::FDivDuration(backoff.Next(), options.initial);
    least = std::min(least, share);
    most = std::max(most, share);
    sum += share;
  }
  EXPECT_GE(least, 0.5 - 1e-9);
  EXPECT_LT(least, 0.51);
  EXPECT_LE(most, 1.0 + 1e-9);
  EXPECT_GT(most, 0.99);
  // A uniform draw's mean is off by 0.0014 at one standard deviation.
  EXPECT_NEAR(sum / kDraws, 0.75, 0.01);
}

TEST(Backoff, SeedsDifferSoThatClientsDo) {
  Backoff one(BackoffOptions(), 1), two(BackoffOptions(), 2), again(BackoffOptions(), 1);
  const absl::Duration first = one.Next();
  EXPECT_NE(first, two.Next());
  EXPECT_EQ(first, again.Next());
}

TEST(BackoffOptions, RefusesWhatWouldFloodOrNeverEnd) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto with = [](auto change) {
    BackoffOptions options;
    change(options);
    const absl::Status status = options.Validate();
    EXPECT_TRUE(status.ok() || absl::IsInvalidArgument(status));
    return std::string(status.message());
  };
  EXPECT_EQ(with([](BackoffOptions&) {}), "");
  EXPECT_THAT(with([](auto& o) { o.initial = absl::ZeroDuration(); }), HasSubstr("initial is 0"));
  EXPECT_THAT(with([](auto& o) { o.maximum = absl::Milliseconds(1); }),
              HasSubstr("maximum is 1ms"));
  EXPECT_THAT(with([](auto& o) { o.maximum = absl::InfiniteDuration(); }), HasSubstr("maximum is"));
  EXPECT_THAT(with([](auto& o) { o.multiplier = 0.5; }), HasSubstr("multiplier is 0.5"));
  EXPECT_THAT(with([&](auto& o) { o.multiplier = nan; }), HasSubstr("multiplier is nan"));
  EXPECT_THAT(with([](auto& o) { o.jitter = 1.5; }), HasSubstr("jitter is 1.5"));
  EXPECT_THAT(with([&](auto& o) { o.jitter = nan; }), HasSubstr("jitter is nan"));
}

}  // namespace
}  // namespace anabranch
