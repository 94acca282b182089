#include "cli/progress/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>

#include "cli/progress/budget_rate.h"

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

v1::RewardBudget Budget(uint64_t used, double cost = 0) {
  v1::RewardBudget budget;
  budget.set_evaluations_used(used);
  budget.set_evaluations_left(5000 - used);
  budget.set_cost_used(cost);
  return budget;
}

TEST(FormatProgress, SaysWhatOracleCallsAreUsedAndWhenTheyAreSpent) {
  ProgressReport report = Report(500);
  BudgetReport budget;
  budget.used = 1200;
  budget.left = 3800;
  budget.per_second = 12;
  report.budget = budget;
  EXPECT_THAT(FormatProgress(report), HasSubstr("  calls 1200/5000 (12/s, spent in 5:17)  "));
  report.budget->left = 0;
  EXPECT_THAT(FormatProgress(report), HasSubstr("calls 1200/1200 (12/s, spent)"));
  report.budget->left.reset();
  report.budget->cost_used = 12.5;
  report.budget->cost_left = 7.5;
  report.budget->cost_unit = "EUR";
  report.budget->cost_per_second = 0.25;
  EXPECT_THAT(FormatProgress(report),
              HasSubstr("calls 1200 (12/s)  cost 12.5/20 EUR (0.25/s, spent in 0:30)"));
}

TEST(FormatProgress, PromisesNoEndOfABudgetThatIsNotBeingSpent) {
  BudgetReport budget;
  budget.used = 7;
  budget.left = 3;
  EXPECT_EQ(FormatBudget(budget), "calls 7/10 (0/s)");
}

TEST(BudgetRate, IsThatOfTheLastMinute) {
  BudgetRate rate;
  absl::Time now = absl::UnixEpoch();
  EXPECT_EQ(rate.Add(Budget(1000), now).per_second, 0);  // What was used before is no rate.
  EXPECT_DOUBLE_EQ(rate.Add(Budget(1100, 5), now + absl::Seconds(10)).per_second, 10);
  EXPECT_DOUBLE_EQ(rate.Add(Budget(1100, 5), now + absl::Seconds(20)).cost_per_second, 0.25);
  BudgetReport report;
  for (int i = 3; i <= 13; ++i) report = rate.Add(Budget(1100), now + absl::Seconds(10 * i));
  EXPECT_EQ(report.per_second, 0);
  EXPECT_EQ(report.used, 1100);
  EXPECT_EQ(report.left, 3900);
}

TEST(BudgetRate, AServiceThatLostItsCountIsNotSpendingLessThanNothing) {
  BudgetRate rate;
  rate.Add(Budget(1000), absl::UnixEpoch());
  EXPECT_EQ(rate.Add(Budget(10), absl::UnixEpoch() + absl::Seconds(5)).per_second, 0);
  EXPECT_DOUBLE_EQ(rate.Add(Budget(20), absl::UnixEpoch() + absl::Seconds(10)).per_second, 2);
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
