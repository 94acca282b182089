// How a learner's process ends a run whose budget of oracle calls is spent.
#include <gmock/gmock.h>

#include <atomic>
#include <functional>
#include <limits>
#include <memory>
#include <utility>

#include "learner/run_directory.h"
#include "nlohmann/json.hpp"
#include "tests/learner/learner_process_fixture.h"

namespace anabranch {
namespace {

using ::testing::HasSubstr;

// Tells a budget, and else nothing.
class SpendingReward final : public RewardClient {
 public:
  explicit SpendingReward(std::function<absl::StatusOr<v1::RewardBudget>()> budget)
      : budget_(std::move(budget)) {}
  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override {
    EXPECT_EQ(request.run_id(), "run-a");
    auto budget = budget_();
    if (!budget.ok()) return budget.status();
    v1::DescribeResponse response;
    *response.mutable_budget() = *std::move(budget);
    return response;
  }
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest&) override {
    return absl::InternalError("a learner evaluates nothing");
  }

 private:
  const std::function<absl::StatusOr<v1::RewardBudget>()> budget_;
};

v1::RewardBudget Spent(uint64_t outstanding = 0) {
  v1::RewardBudget budget;
  budget.set_evaluations_used(80);
  budget.set_evaluations_left(0);
  budget.set_evaluations_outstanding(outstanding);
  return budget;
}

class LearnerBudgetTest : public LearnerProcessTest {
 protected:
  LearnerBudgetTest() {
    flags_.push_back("reward.budget.max_evaluations=80");
    batches_ = 10;
  }
  ~LearnerBudgetTest() override { StopActor(); }
  v1::TrainingStatus Status() const {
    v1::GetStatusResponse status;
    process_->Describe(status);
    return status.training();
  }
};

TEST_F(LearnerBudgetTest, ASpentBudgetEndsTheRunInOrderOnceAllThatItBoughtIsTrainedOn) {
  reward_ = std::make_unique<SpendingReward>([] { return Spent(); });
  auto summary = Train();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_TRUE(summary->finished);
  EXPECT_THAT(summary->end_reason, HasSubstr("80 evaluations"));
  const auto json = nlohmann::json::parse(*PosixFileSystem()->Read(Path("summary.json")));
  EXPECT_EQ(json["end_reason"], summary->end_reason);
  EXPECT_EQ(json["step"], 10);
  EXPECT_EQ(json["finished"], true);
  EXPECT_EQ(OpenRun(*PosixFileSystem(), Directory())->checkpoint.manifest.step(), 10);
  EXPECT_TRUE(Status().finished());
  EXPECT_EQ(Status().end_reason(), summary->end_reason);
  EXPECT_EQ(Status().budget().evaluations_used(), 80);
}

TEST_F(LearnerBudgetTest, AnEndedRunIsFinishedUntilItsBudgetIsRaised) {
  reward_ = std::make_unique<SpendingReward>([] { return Spent(); });
  auto first = Train();
  ASSERT_TRUE(first.ok()) << first.status();
  Restart();
  auto again = Train();
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->end_reason, first->end_reason);
  EXPECT_EQ(Generation(), 1);
  Restart();
  actor_.join();
  config_.mutable_reward()->mutable_budget()->set_max_evaluations(81);
  batches_ = 12;
  auto raised = Train();
  ASSERT_TRUE(raised.ok()) << raised.status();
  EXPECT_EQ(Generation(), 2);
  EXPECT_EQ(raised->metrics["step"], 12);
}

TEST_F(LearnerBudgetTest, WhatIsOutstandingIsWaitedFor) {
  std::atomic<int> asked_since = 0;
  std::atomic<bool> answered = false;
  reward_ = std::make_unique<SpendingReward>([&]() -> absl::StatusOr<v1::RewardBudget> {
    if (Status().step() < 10) return Spent(8);
    if (++asked_since == 100) {  // Long after replay has had nothing for long enough.
      Insert(MakeBatch());
      answered = true;
    }
    return Spent(answered ? 0 : 8);
  });
  auto summary = Train();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->metrics["step"], 11);
  EXPECT_TRUE(answered);
}

TEST_F(LearnerBudgetTest, AServiceThatDoesNotAnswerIsNoError) {
  batches_ = std::numeric_limits<uint64_t>::max();
  std::atomic<int> asked = 0;
  reward_ = std::make_unique<SpendingReward>([&]() -> absl::StatusOr<v1::RewardBudget> {
    ++asked;
    return absl::UnavailableError("nobody is there");
  });
  auto summary = Train();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->metrics["step"], 30);
  EXPECT_EQ(summary->end_reason, "");
  EXPECT_FALSE(summary->metrics.contains("end_reason"));
  EXPECT_GT(asked, 0);
  EXPECT_FALSE(Status().has_budget());
}

TEST_F(LearnerProcessTest, NobodyIsAskedForABudgetThatIsNotLimited) {
  reward_ = std::make_unique<SpendingReward>([]() -> absl::StatusOr<v1::RewardBudget> {
    ADD_FAILURE() << "asked";
    return Spent();
  });
  EXPECT_EQ(Train()->metrics["step"], 30);
}

}  // namespace
}  // namespace anabranch
