#include "cli/progress/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>

namespace anabranch {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ProgressReport Report(int64_t step) {
  ProgressReport report;
  report.step = step;
  report.max_steps = 2000;
  report.trajectories_per_second = 12'345;
  report.training_seconds = 0.01 * static_cast<double>(step);
  report.loss = 0.01234;
  report.log_z = 3.10906;
  report.tv = 0.0125;
  report.modes_found = 3;
  report.modes = 4;
  return report;
}

class ProgressTest : public testing::Test {
 protected:
  Progress Make(bool terminal, int columns = 200, bool quiet = false) {
    Progress::Options options;
    options.terminal = terminal;
    options.columns = columns;
    options.quiet = quiet;
    return Progress(options, out_, [this] { return now_; });
  }

  std::ostringstream out_;
  absl::Time now_ = absl::UnixEpoch();
};

TEST(FormatProgress, SaysWhatAWatcherWantsToKnow) {
  EXPECT_EQ(FormatProgress(Report(500)),
            "step 500/2000  12.3k trajectories/s  loss 0.0123  logZ 3.1091  TV 0.0125  modes 3/4  "
            "0:15 left");
  EXPECT_THAT(FormatProgress(Report(2000)), HasSubstr("done in 0:20"));
}

TEST(FormatProgress, ReckonsTheTimeLeftFromThisProcessAlone) {
  ProgressReport resumed = Report(1500);
  resumed.first_step = 1000;
  resumed.training_seconds = 5;
  EXPECT_THAT(FormatProgress(resumed), HasSubstr("0:05 left"));
}

TEST(FormatProgress, LeavesOutWhatIsNotKnown) {
  ProgressReport report = Report(500);
  report.tv.reset();
  report.modes = 0;
  EXPECT_THAT(FormatProgress(report), Not(HasSubstr("TV")));
  EXPECT_THAT(FormatProgress(report), Not(HasSubstr("modes")));
}

TEST_F(ProgressTest, ATerminalHasOneLineThatIsRedrawn) {
  Progress progress = Make(true);
  progress.Show(Report(1));
  now_ += absl::Milliseconds(99);
  EXPECT_FALSE(progress.IsDue());
  progress.Show(Report(2));
  now_ += absl::Milliseconds(1);
  progress.Show(Report(3));
  const std::string text = out_.str();
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_THAT(text, HasSubstr("\rstep 1/2000"));
  EXPECT_THAT(text, Not(HasSubstr("step 2/2000")));
  EXPECT_THAT(text, HasSubstr("\rstep 3/2000"));
}

TEST_F(ProgressTest, ALongLineIsCutToTheTerminal) {
  Make(true, 20).Show(Report(1));
  EXPECT_EQ(out_.str().size(), 1 + 19);
}

TEST_F(ProgressTest, AFileHasALineForAnEvaluationNowAndThen) {
  Progress progress = Make(false);
  progress.Show(Report(1));
  EXPECT_EQ(out_.str(), "");
  progress.ShowEvaluation(Report(100), false);
  now_ += absl::Seconds(1);
  progress.ShowEvaluation(Report(200), false);
  progress.ShowEvaluation(Report(300), true);
  const std::string text = out_.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_THAT(text, Not(HasSubstr("step 200")));
  EXPECT_THAT(text, Not(HasSubstr("\r")));
}

TEST_F(ProgressTest, ANoteStaysAboveTheLine) {
  Progress progress = Make(true);
  progress.Show(Report(1));
  progress.Note("warning: disk");
  EXPECT_THAT(out_.str(), HasSubstr("\rwarning: disk\n"));
}

TEST_F(ProgressTest, QuietStillHasNotes) {
  Progress progress = Make(true, 100, true);
  progress.Show(Report(1));
  progress.ShowEvaluation(Report(2), true);
  EXPECT_EQ(out_.str(), "");
  progress.Note("warning: disk");
  EXPECT_EQ(out_.str(), "warning: disk\n");
}

}  // namespace
}  // namespace anabranch
