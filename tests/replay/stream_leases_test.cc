#include "replay/stream_leases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace anabranch {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const absl::Time kStart = absl::UnixEpoch();

class StreamLeasesTest : public testing::Test {
 protected:
  uint64_t Open(uint64_t resumed, std::vector<uint64_t> held, absl::Time now = kStart) {
    dropped_.clear();
    return leases_.Open(resumed, held, now, dropped_);
  }
  bool Add(uint64_t stream, uint64_t lease) {
    return leases_.Add(stream, lease, kStart + absl::Seconds(30));
  }

  StreamLeases leases_{~uint64_t{0} - 1};  // The numbers wrap.
  std::vector<uint64_t> dropped_;
};

TEST_F(StreamLeasesTest, NoStreamIsNumberZeroAndNoneIsNumberedTwice) {
  const uint64_t a = Open(0, {}), b = Open(0, {}), c = Open(0, {});
  EXPECT_NE(a, 0u);
  EXPECT_NE(b, 0u);
  EXPECT_NE(c, 0u);
  EXPECT_NE(a, b);
  EXPECT_NE(b, c);
}

TEST_F(StreamLeasesTest, WhatASuccessorDoesNotHoldIsDroppedAndTheRestIsIts) {
  const uint64_t first = Open(0, {});
  for (const uint64_t lease : {1, 2, 3, 4}) ASSERT_TRUE(Add(first, lease));
  leases_.Remove(first, std::vector<uint64_t>{2});
  leases_.Break(first);
  const uint64_t second = Open(first, {3, 99});
  EXPECT_THAT(dropped_, ElementsAre(1, 4));
  EXPECT_THAT(leases_.Close(second), ElementsAre(3));
  EXPECT_THAT(leases_.Close(first), IsEmpty());
}

TEST_F(StreamLeasesTest, AStreamWhosePlaceIsTakenGetsNoMore) {
  const uint64_t first = Open(0, {});
  EXPECT_TRUE(Add(first, 1));
  const uint64_t second = Open(first, {1});
  EXPECT_FALSE(Add(first, 2));
  EXPECT_TRUE(Add(second, 3));
}

TEST_F(StreamLeasesTest, AnUnknownPredecessorIsPassedOver) {
  const uint64_t other = Open(0, {});
  ASSERT_TRUE(Add(other, 1));
  Open(12345, {1});
  EXPECT_THAT(dropped_, IsEmpty());
  EXPECT_THAT(leases_.Close(other), ElementsAre(1));
}

TEST_F(StreamLeasesTest, ABrokenStreamIsForgottenWithItsLastLeaseAndOneInUseNever) {
  const uint64_t broken = Open(0, {}), in_use = Open(0, {});
  ASSERT_TRUE(Add(broken, 1));
  ASSERT_TRUE(Add(in_use, 2));
  leases_.Break(broken);
  Open(0, {}, kStart + absl::Seconds(30));
  EXPECT_THAT(leases_.Close(broken), ElementsAre(1));
  const uint64_t again = Open(0, {});
  ASSERT_TRUE(Add(again, 3));
  leases_.Break(again);
  Open(0, {}, kStart + absl::Seconds(31));
  EXPECT_THAT(leases_.Close(again), IsEmpty());
  EXPECT_THAT(leases_.Close(in_use), ElementsAre(2));
}

}  // namespace
}  // namespace anabranch
