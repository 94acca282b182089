#include "reward/gateway/circuit_breaker.h"

#include <gtest/gtest.h>

namespace anabranch {
namespace {

constexpr absl::Duration kOpen = absl::Seconds(2);

absl::Time At(double seconds) { return absl::UnixEpoch() + absl::Seconds(seconds); }

CircuitOptions Options(int failures) {
  CircuitOptions options;
  options.failures = failures;
  options.open = kOpen;
  options.longest = absl::Seconds(10);
  return options;
}

TEST(CircuitBreaker, OpensAfterSoManyFailuresInARowAndNotBefore) {
  CircuitBreaker circuit(Options(3));
  EXPECT_FALSE(circuit.Failed(At(0)));
  EXPECT_FALSE(circuit.Failed(At(0)));
  circuit.Succeeded();  // Not in a row any more.
  EXPECT_FALSE(circuit.Failed(At(0)));
  EXPECT_FALSE(circuit.Failed(At(0)));
  EXPECT_TRUE(circuit.closed());
  EXPECT_TRUE(circuit.Failed(At(5)));
  EXPECT_FALSE(circuit.closed());
  EXPECT_EQ(circuit.probe_at(), At(5) + kOpen);
}

TEST(CircuitBreaker, ProbesComeLessOftenEachTimeUpToALimit) {
  CircuitBreaker circuit(Options(1));
  EXPECT_TRUE(circuit.Failed(At(0)));
  circuit.ProbeFailed(At(2));
  EXPECT_EQ(circuit.probe_at(), At(2 + 4));
  circuit.ProbeFailed(At(6));
  EXPECT_EQ(circuit.probe_at(), At(6 + 8));
  circuit.ProbeFailed(At(14));
  EXPECT_EQ(circuit.probe_at(), At(14 + 10));
  circuit.ProbeFailed(At(24));
  EXPECT_EQ(circuit.probe_at(), At(24 + 10));
}

TEST(CircuitBreaker, AfterAProbeOneFailureOpensItAgainForLonger) {
  CircuitBreaker circuit(Options(3));
  for (int i = 0; i < 3; ++i) circuit.Failed(At(0));
  circuit.ProbeSucceeded();
  EXPECT_TRUE(circuit.closed());
  EXPECT_TRUE(circuit.Failed(At(3)));
  EXPECT_EQ(circuit.probe_at(), At(3 + 4));
}

TEST(CircuitBreaker, ASuccessAfterAProbeMakesItAsNew) {
  CircuitBreaker circuit(Options(2));
  circuit.Failed(At(0)), circuit.Failed(At(0));
  circuit.ProbeFailed(At(2));
  circuit.ProbeSucceeded();
  circuit.Succeeded();
  EXPECT_FALSE(circuit.Failed(At(9)));
  EXPECT_TRUE(circuit.Failed(At(9)));
  EXPECT_EQ(circuit.probe_at(), At(9) + kOpen);
}

TEST(CircuitBreaker, RequestsThatWereUnderWayWhenItOpenedChangeNothing) {
  CircuitBreaker circuit(Options(1));
  EXPECT_TRUE(circuit.Failed(At(0)));
  EXPECT_FALSE(circuit.Failed(At(1)));
  circuit.Succeeded();
  EXPECT_FALSE(circuit.closed());
  EXPECT_EQ(circuit.probe_at(), At(2));
}

TEST(CircuitBreaker, OptionsThatMakeNoSenseAreNamed) {
  EXPECT_EQ(Options(0).Validate().message(), "circuit.failures is 0, must be at least 1");
  CircuitOptions options = Options(1);
  options.open = absl::ZeroDuration();
  EXPECT_EQ(options.Validate().message(), "circuit.open_seconds is 0, must be above 0 and finite");
  EXPECT_TRUE(Options(1).Validate().ok());
}

}  // namespace
}  // namespace anabranch
