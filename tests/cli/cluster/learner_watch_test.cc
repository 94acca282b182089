#include "cli/cluster/learner_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace anabranch {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

v1::GetStatusResponse Status(uint64_t incarnation, uint64_t first, std::vector<std::string> notes) {
  v1::GetStatusResponse status;
  status.set_incarnation(incarnation);
  status.mutable_training()->set_first_note(first);
  for (std::string& note : notes) status.mutable_training()->add_notes(std::move(note));
  return status;
}

TEST(NoteReader, GivesEachNoteOnce) {
  NoteReader reader;
  EXPECT_THAT(reader.NewNotes(Status(1, 0, {"a", "b"})), ElementsAre("a", "b"));
  EXPECT_THAT(reader.NewNotes(Status(1, 0, {"a", "b"})), IsEmpty());
  EXPECT_THAT(reader.NewNotes(Status(1, 0, {"a", "b", "c"})), ElementsAre("c"));
  EXPECT_THAT(reader.NewNotes(Status(1, 2, {"c", "d"})), ElementsAre("d"));
  // More went by between two looks than the learner keeps.
  EXPECT_THAT(reader.NewNotes(Status(1, 7, {"h"})), ElementsAre("h"));
}

TEST(NoteReader, ANewProcessBeginsAnew) {
  NoteReader reader;
  reader.NewNotes(Status(1, 5, {"a", "b"}));
  EXPECT_THAT(reader.NewNotes(Status(2, 0, {"resumed"})), ElementsAre("resumed"));
}

TEST(ReportOf, ReckonsTheRateFromThisProcessAlone) {
  v1::TrainingStatus training;
  training.set_step(1500);
  training.set_first_step(1000);
  training.set_max_steps(2000);
  training.set_training_seconds(5);
  training.set_total_variation(0.25);
  training.set_modes(4);
  training.set_modes_found(3);
  const ProgressReport report = ReportOf(training, 16);
  EXPECT_EQ(report.trajectories_per_second, 1600);
  EXPECT_EQ(report.step, 1500);
  EXPECT_EQ(report.first_step, 1000);
  EXPECT_EQ(report.tv, 0.25);
  EXPECT_EQ(report.modes_found, 3);
  EXPECT_FALSE(ReportOf(v1::TrainingStatus(), 16).tv.has_value());
  EXPECT_EQ(ReportOf(v1::TrainingStatus(), 16).trajectories_per_second, 0);
}

}  // namespace
}  // namespace anabranch
