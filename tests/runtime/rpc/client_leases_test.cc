#include "runtime/rpc/client_leases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace anabranch {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class ClientLeasesTest : public testing::Test {
 protected:
  ClientLeasesTest() { leases_.Opened(1); }
  std::vector<uint64_t> Held() const {
    v1::SampleOpening opening;
    leases_.ListHeld(opening);
    return {opening.held_lease_ids().begin(), opening.held_lease_ids().end()};
  }

  ClientLeases leases_;
};

TEST_F(ClientLeasesTest, WhatIsDoneIsSaidOnce) {
  leases_.Take(5);
  EXPECT_FALSE(leases_.HasUnsaid());
  EXPECT_TRUE(leases_.Acknowledge(5));
  EXPECT_TRUE(leases_.HasUnsaid());
  leases_.Release(6);
  const v1::SampleAcknowledgement said = leases_.Say(2);
  EXPECT_THAT(said.lease_ids(), ElementsAre(5));
  EXPECT_THAT(said.released_lease_ids(), ElementsAre(6));
  EXPECT_FALSE(leases_.HasUnsaid());
}

TEST_F(ClientLeasesTest, WhatWasNotTakenCannotBeAcknowledged) {
  EXPECT_FALSE(leases_.Acknowledge(5));
  leases_.Take(0);
  EXPECT_FALSE(leases_.Acknowledge(0));
  EXPECT_FALSE(leases_.HasUnsaid());
}

TEST_F(ClientLeasesTest, WhatIsNotProvenIsSaidAgainToTheSameStartOfTheServer) {
  for (const uint64_t lease : {5, 6}) {
    leases_.Take(lease);
    leases_.Acknowledge(lease);
    leases_.Say(/*granted=*/lease);
  }
  leases_.Proven(5);  // Sent for credits that were granted before either was said.
  EXPECT_THAT(Held(), UnorderedElementsAre(5, 6));
  leases_.Proven(6);  // Sent for one that was granted after 5 was said.
  EXPECT_THAT(Held(), UnorderedElementsAre(6));
  leases_.Opened(1);
  EXPECT_TRUE(leases_.HasUnsaid());
  EXPECT_THAT(leases_.Say(2).lease_ids(), ElementsAre(6));
}

TEST_F(ClientLeasesTest, WhatWasNeverSaidIsNotProvenByABatch) {
  leases_.Take(5);
  leases_.Acknowledge(5);
  leases_.Proven(100);
  EXPECT_TRUE(leases_.HasUnsaid());
  EXPECT_THAT(leases_.Say(2).lease_ids(), ElementsAre(5));
}

TEST_F(ClientLeasesTest, AnotherStartOfTheServerVoidsAllOfThem) {
  leases_.Take(5);
  leases_.Take(6);
  leases_.Acknowledge(6);
  leases_.Opened(2);
  EXPECT_FALSE(leases_.HasUnsaid());
  EXPECT_THAT(Held(), IsEmpty());
  EXPECT_FALSE(leases_.Acknowledge(5));
}

TEST_F(ClientLeasesTest, AVoidLeaseIsNotTakenForOneOfTheSameNumber) {
  leases_.Take(5);
  leases_.Opened(2);
  leases_.Take(5);
  EXPECT_FALSE(leases_.Acknowledge(5));  // The older one.
  EXPECT_TRUE(leases_.Acknowledge(5));
}

TEST_F(ClientLeasesTest, WhatIsTakenIsGivenBackAtTheEnd) {
  leases_.Take(5);
  leases_.Take(6);
  leases_.Acknowledge(5);
  leases_.ReleaseTaken();
  const v1::SampleAcknowledgement said = leases_.Say(2);
  EXPECT_THAT(said.lease_ids(), ElementsAre(5));
  EXPECT_THAT(said.released_lease_ids(), ElementsAre(6));
  EXPECT_FALSE(leases_.Acknowledge(6));
}

}  // namespace
}  // namespace anabranch
