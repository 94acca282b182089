#include "actor/score_task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "runtime/error_reason.h"

namespace anabranch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Five objects "0" … "4" whose one raw value is ten times their number.
class ScoreTaskTest : public testing::Test {
 protected:
  ScoreTaskTest() {
    header_.run_id = "run-a";
    header_.object_format = "digit";
    header_.objectives = {"value"};
    header_.reward_fingerprint = "tens/1";
    header_.source.set_client_incarnation(0xabc);
    header_.first_trajectory_number = 40;
    for (int i = 0; i < 5; ++i) {
      trajectories_.lengths.push_back(1);
      trajectories_.objects.push_back(std::to_string(i));
      trajectories_.object_keys.emplace_back();
    }
  }

  static v1::EvaluateResponse Answer(const v1::EvaluateRequest& request) {
    v1::EvaluateResponse response;
    response.set_request_id(request.request_id());
    response.set_fingerprint("tens/1");
    for (const v1::RewardObject& object : request.objects()) {
      response.add_statuses(v1::OBJECT_STATUS_OK);
      response.add_raw_values(10 * std::stod(object.inline_()));
    }
    return response;
  }

  static std::vector<std::string> Asked(const v1::EvaluateRequest& request) {
    std::vector<std::string> objects;
    for (const v1::RewardObject& object : request.objects()) objects.push_back(object.inline_());
    return objects;
  }

  BatchHeader header_;
  Trajectories trajectories_;
};

TEST_F(ScoreTaskTest, OneQuestionIsEnoughForAnOracleThatAnswers) {
  ScoreTask task(header_, trajectories_, {});
  EXPECT_EQ(task.request().request_id(), "0000000000000abc-40");
  EXPECT_THAT(Asked(task.request()), ElementsAre("0", "1", "2", "3", "4"));
  ASSERT_TRUE(task.Take(Answer(task.request())).ok());
  EXPECT_TRUE(task.done());
  EXPECT_THAT(task.rewards().values, ElementsAre(0, 10, 20, 30, 40));
}

TEST_F(ScoreTaskTest, ABatchAboveTheOraclesLimitIsAskedInParts) {
  ScoreTask task(header_, trajectories_, {.max_batch_objects = 2});
  std::vector<std::string> ids;
  while (!task.round_over()) {
    EXPECT_LE(task.request().objects_size(), 2);
    ids.push_back(task.request().request_id());
    ASSERT_TRUE(task.Take(Answer(task.request())).ok());
  }
  EXPECT_THAT(ids,
              ElementsAre("0000000000000abc-40", "0000000000000abc-40/1", "0000000000000abc-40/2"));
  EXPECT_TRUE(task.done());
  EXPECT_THAT(task.rewards().values, ElementsAre(0, 10, 20, 30, 40));
}

TEST_F(ScoreTaskTest, OnlyWhatIsRetryableIsAskedAgain) {
  ScoreTask task(header_, trajectories_, {});
  v1::EvaluateResponse first = Answer(task.request());
  for (const int i : {1, 3}) {
    first.set_statuses(i, v1::OBJECT_STATUS_RETRYABLE);
    first.set_raw_values(i, 777);
  }
  ASSERT_TRUE(task.Take(first).ok());
  EXPECT_FALSE(task.done());
  ASSERT_TRUE(task.round_over());
  task.NextRound();
  EXPECT_THAT(Asked(task.request()), ElementsAre("1", "3"));
  EXPECT_EQ(task.request().request_id(), "0000000000000abc-40/1");
  ASSERT_TRUE(task.Take(Answer(task.request())).ok());
  EXPECT_TRUE(task.done());
  EXPECT_EQ(task.asked_again(), 2);
  EXPECT_THAT(task.rewards().values, ElementsAre(0, 10, 20, 30, 40));
}

TEST_F(ScoreTaskTest, APendingObjectIsAskedByItsTicketWhenTheOracleWishes) {
  ScoreTask task(header_, trajectories_, {});
  v1::EvaluateResponse first = Answer(task.request());
  first.set_statuses(2, v1::OBJECT_STATUS_PENDING);
  for (int i = 0; i < 5; ++i) {
    first.add_tickets(i == 2 ? "lab-7" : "");
    first.add_retry_after_millis(i == 2 ? 1500 : 0);
  }
  ASSERT_TRUE(task.Take(first).ok());
  EXPECT_EQ(task.retry_after(), absl::Milliseconds(1500));
  task.NextRound();
  EXPECT_EQ(task.retry_after(), absl::ZeroDuration());
  ASSERT_EQ(task.request().objects_size(), 1);
  EXPECT_EQ(task.request().objects(0).ticket(), "lab-7");
  EXPECT_EQ(task.request().objects(0).inline_(), "2");
  ASSERT_TRUE(task.Take(Answer(task.request())).ok());
  EXPECT_THAT(task.rewards().values, ElementsAre(0, 10, 20, 30, 40));
}

TEST_F(ScoreTaskTest, WhatStaysRetryableBecomesFailedAndKeepsNoValue) {
  ScoreTask task(header_, trajectories_, {.max_object_tries = 3});
  int rounds = 0;
  while (!task.done()) {
    if (task.round_over()) task.NextRound();
    v1::EvaluateResponse answer = Answer(task.request());
    answer.set_statuses(answer.statuses_size() - 1, v1::OBJECT_STATUS_RETRYABLE);
    ASSERT_TRUE(task.Take(answer).ok());
    ++rounds;
  }
  EXPECT_EQ(rounds, 3);
  EXPECT_EQ(task.rewards().status[4], ObjectStatus::kFailed);
  EXPECT_EQ(task.rewards().valid[4], 0);
  EXPECT_THAT(task.rewards().reasons[4], HasSubstr("3 times"));
}

TEST_F(ScoreTaskTest, WhatIsNoAnswerToTheQuestionIsRefusedAndNothingOfItIsUsed) {
  const std::vector<std::pair<std::string, std::function<void(v1::EvaluateResponse&)>>> faults = {
      {"request_id", [](v1::EvaluateResponse& r) { r.set_request_id("0000000000000abc-32"); }},
      {"request_id", [](v1::EvaluateResponse& r) { r.clear_request_id(); }},
      {"statuses", [](v1::EvaluateResponse& r) { r.mutable_statuses()->RemoveLast(); }},
      {"statuses", [](v1::EvaluateResponse& r) { r.add_statuses(v1::OBJECT_STATUS_OK); }},
      {"raw_values", [](v1::EvaluateResponse& r) { r.mutable_raw_values()->RemoveLast(); }},
      {"raw_values", [](v1::EvaluateResponse& r) { r.add_raw_values(1); }},
      {"statuses",
       [](v1::EvaluateResponse& r) { r.set_statuses(3, v1::OBJECT_STATUS_UNSPECIFIED); }},
      {"objectives", [](v1::EvaluateResponse& r) { r.add_objectives("weight"); }},
      {"tickets", [](v1::EvaluateResponse& r) { r.set_statuses(1, v1::OBJECT_STATUS_PENDING); }},
      {"retry_after_millis", [](v1::EvaluateResponse& r) { r.add_retry_after_millis(5); }},
  };
  ScoreTask task(header_, trajectories_, {});
  for (const auto& [field, spoil] : faults) {
    v1::EvaluateResponse answer = Answer(task.request());
    spoil(answer);
    const absl::Status status = task.Take(answer);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << field;
    EXPECT_THAT(std::string(status.message()), HasSubstr(field));
    EXPECT_FALSE(task.round_over());
  }
  EXPECT_EQ(task.request().request_id(), "0000000000000abc-40");
  ASSERT_TRUE(task.Take(Answer(task.request())).ok());
  EXPECT_THAT(task.rewards().values, ElementsAre(0, 10, 20, 30, 40));
}

TEST_F(ScoreTaskTest, ValuesOfAnotherOracleAreAPreconditionThatFailed) {
  ScoreTask task(header_, trajectories_, {});
  v1::EvaluateResponse answer = Answer(task.request());
  answer.set_fingerprint("tens/2");
  const absl::Status status = task.Take(answer);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), kReasonFingerprintChanged);
  EXPECT_THAT(std::string(status.message()), HasSubstr("tens/1"));
}

TEST_F(ScoreTaskTest, AValueThatIsNotFiniteFailsItsObjectAlone) {
  ScoreTask task(header_, trajectories_, {});
  v1::EvaluateResponse answer = Answer(task.request());
  answer.set_raw_values(1, std::numeric_limits<double>::quiet_NaN());
  ASSERT_TRUE(task.Take(answer).ok());
  EXPECT_EQ(task.non_finite(), 1);
  EXPECT_EQ(task.rewards().status[1], ObjectStatus::kFailed);
  EXPECT_THAT(task.rewards().reasons[1], HasSubstr("nan"));
  EXPECT_EQ(task.rewards().status[2], ObjectStatus::kOk);
}

TEST_F(ScoreTaskTest, DeferredObjectsLeaveTheTaskWithTicketAndWish) {
  ScoreTaskOptions options;
  options.defer_pending = options.defer_retryable = true;
  options.request_prefix = "pending-";
  ScoreTask task(header_, trajectories_, options, {"a", "", "", "", "e"});
  EXPECT_EQ(task.request().request_id(), "pending-0000000000000abc-40");
  EXPECT_EQ(task.request().objects(0).ticket(), "a");
  EXPECT_EQ(task.request().objects(4).ticket(), "e");
  v1::EvaluateResponse answer = Answer(task.request());
  answer.set_statuses(1, v1::OBJECT_STATUS_PENDING);
  answer.set_statuses(4, v1::OBJECT_STATUS_RETRYABLE);
  for (int i = 0; i < 5; ++i) {
    answer.add_tickets(i == 1 ? "b" : "");
    answer.add_retry_after_millis(i == 1 ? 250 : 0);
  }
  ASSERT_TRUE(task.Take(answer).ok());
  EXPECT_TRUE(task.done());
  ASSERT_EQ(task.deferred().size(), 2u);
  EXPECT_EQ(task.deferred()[0].position, 1);
  EXPECT_EQ(task.deferred()[0].ticket, "b");
  EXPECT_EQ(task.deferred()[0].retry_after, absl::Milliseconds(250));
  EXPECT_EQ(task.deferred()[1].ticket, "");
  EXPECT_THAT(task.answered(), ElementsAre(1, 0, 1, 1, 0));
  EXPECT_EQ(task.counts().scored, 3);
  EXPECT_EQ(task.counts().total(), 5);
}

TEST_F(ScoreTaskTest, EveryObjectIsCountedByWhatBecameOfIt) {
  ScoreTask task(header_, trajectories_, {});
  v1::EvaluateResponse answer = Answer(task.request());
  answer.set_statuses(0, v1::OBJECT_STATUS_INVALID);
  answer.set_statuses(1, v1::OBJECT_STATUS_INFEASIBLE);
  answer.set_statuses(2, v1::OBJECT_STATUS_FAILED);
  answer.set_statuses(3, v1::OBJECT_STATUS_BUDGET_EXHAUSTED);
  answer.mutable_budget()->set_evaluations_used(9);
  ASSERT_TRUE(task.Take(answer).ok());
  EXPECT_EQ(task.counts().scored, 1);
  EXPECT_EQ(task.counts().invalid, 2);
  EXPECT_EQ(task.counts().failed, 1);
  EXPECT_EQ(task.counts().budget_exhausted, 1);
  EXPECT_THAT(task.answered(), ElementsAre(1, 1, 1, 0, 1));
  EXPECT_EQ(task.budget()->evaluations_used(), 9u);
}

}  // namespace
}  // namespace anabranch
