#include "replay/insert_window.h"

#include <vector>

#include "gtest/gtest.h"

namespace anabranch {
namespace {

using Outcome = InsertWindow::Outcome;

TEST(InsertWindow, CommittedSequenceIsADuplicate) {
  InsertWindow window;
  EXPECT_EQ(window.Begin(1, 1), Outcome::kNew);
  window.Commit(1, 1);
  EXPECT_EQ(window.Begin(1, 1), Outcome::kDuplicate);
  EXPECT_EQ(window.Begin(2, 1), Outcome::kNew) << "another incarnation counts for itself";
}

TEST(InsertWindow, AbandonedSequenceMayComeAgain) {
  InsertWindow window;
  EXPECT_EQ(window.Begin(1, 1), Outcome::kNew);
  EXPECT_EQ(window.Begin(1, 1), Outcome::kInProgress);
  window.Abandon(1, 1);
  EXPECT_EQ(window.Begin(1, 1), Outcome::kNew);
}

TEST(InsertWindow, AcknowledgesUpToTheFirstHole) {
  InsertWindow window;
  for (const uint64_t sequence : {1, 2, 4, 5}) {
    window.Begin(1, sequence);
    window.Commit(1, sequence);
  }
  EXPECT_EQ(window.AcknowledgedUpTo(1), 2u);
  EXPECT_EQ(window.Begin(1, 4), Outcome::kDuplicate);
  EXPECT_EQ(window.Begin(1, 3), Outcome::kNew);
  window.Commit(1, 3);
  EXPECT_EQ(window.AcknowledgedUpTo(1), 5u);
}

TEST(InsertWindow, HolesAreClosedWhenTooOld) {
  InsertWindow window;  // Sequence 1 was refused.
  for (uint64_t sequence = 2; sequence < InsertWindow::kMaxGap + 2; ++sequence) {
    window.Begin(1, sequence);
    window.Commit(1, sequence);
    EXPECT_EQ(window.AcknowledgedUpTo(1), 0u);
  }
  window.Begin(1, InsertWindow::kMaxGap + 2);
  window.Commit(1, InsertWindow::kMaxGap + 2);
  EXPECT_EQ(window.AcknowledgedUpTo(1), InsertWindow::kMaxGap + 2);
}

TEST(InsertWindow, ForgetsTheClientHeardOfLeastRecently) {
  InsertWindow window;
  for (uint64_t client = 1; client <= InsertWindow::kMaxClients; ++client) {
    window.Begin(client, 1);
    window.Commit(client, 1);
  }
  EXPECT_EQ(window.Begin(1, 1), Outcome::kDuplicate);  // Now the most recent.
  window.Begin(999'999, 1);
  EXPECT_EQ(window.AcknowledgedUpTo(1), 1u);
  EXPECT_EQ(window.AcknowledgedUpTo(2), 0u);
}

TEST(InsertWindow, RestoreKnowsTheSameDuplicates) {
  InsertWindow window;
  for (const uint64_t sequence : {1, 2, 5}) {
    window.Begin(9, sequence);
    window.Commit(9, sequence);
  }
  const std::vector<v1::InsertWindowState> states = window.Save();
  std::vector<const v1::InsertWindowState*> pointers;
  for (const auto& state : states) pointers.push_back(&state);
  InsertWindow restored;
  ASSERT_TRUE(restored.Restore(pointers).ok());
  EXPECT_EQ(restored.AcknowledgedUpTo(9), 2u);
  EXPECT_EQ(restored.Begin(9, 5), Outcome::kDuplicate);
  EXPECT_EQ(restored.Begin(9, 3), Outcome::kNew);
}

}  // namespace
}  // namespace anabranch
