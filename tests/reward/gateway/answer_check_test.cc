#include "reward/gateway/answer_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>

#include "runtime/error_reason.h"
#include "runtime/retry.h"
#include "tests/reward/gateway/scripted_oracle.h"

namespace anabranch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

class AnswerCheckTest : public testing::Test {
 protected:
  AnswerCheckTest() {
    auto oracle = std::make_unique<ScriptedOracle>();
    oracle_ = oracle.get();
    checked_ = std::make_unique<CheckedOracle>(std::move(oracle));
  }
  void Spoil(std::function<void(v1::EvaluateResponse&)> spoil) {
    oracle_->spoil = [spoil](const v1::EvaluateRequest&, v1::EvaluateResponse& answer) {
      spoil(answer);
      return absl::OkStatus();
    };
  }
  absl::StatusOr<v1::EvaluateResponse> Ask() {
    return checked_->Evaluate(NumberRequest("a", {"1", "2"}, {"size", "area"}));
  }
  void ExpectMalformed(const std::string& what) {
    const absl::Status status = Ask().status();
    EXPECT_EQ(ReasonOf(status), kReasonMalformedAnswer) << status;
    EXPECT_TRUE(IsRetryable(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(what));
  }

  ScriptedOracle* oracle_;
  std::unique_ptr<CheckedOracle> checked_;
};

TEST_F(AnswerCheckTest, AGoodAnswerIsLeftAsItIs) {
  const auto answer = Ask();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->raw_values(), ElementsAre(1, 2, 2, 4));
  EXPECT_THAT(answer->objectives(), ElementsAre("size", "area"));
}

TEST_F(AnswerCheckTest, ColumnsAreNamedAndInTheAskedOrderWhateverTheOraclesOrder) {
  Spoil([](v1::EvaluateResponse& answer) {
    answer.set_objectives(0, "area");
    answer.set_objectives(1, "weight");
    answer.add_objectives("size");
    answer.clear_raw_values();
    for (const double value : {20., 7., 10., 40., 7., 20.}) answer.add_raw_values(value);
  });
  auto answer = Ask();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->objectives(), ElementsAre("size", "area"));
  EXPECT_THAT(answer->raw_values(), ElementsAre(10, 20, 20, 40));
  Spoil([](v1::EvaluateResponse& answer) { answer.clear_objectives(); });
  answer = checked_->Evaluate(NumberRequest("a", {"3"}));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->objectives(), ElementsAre("size", "area"));
}

TEST_F(AnswerCheckTest, AnAnswerToAnotherQuestionIsAFailureWorthARetry) {
  Spoil([](v1::EvaluateResponse& answer) { answer.set_request_id("b"); });
  ExpectMalformed("request_id: is \"b\", asked was \"a\"");
  Spoil([](v1::EvaluateResponse& answer) { answer.mutable_statuses()->RemoveLast(); });
  ExpectMalformed("statuses: has 1 entries, expected 2");
  Spoil([](v1::EvaluateResponse& answer) { answer.add_raw_values(1); });
  ExpectMalformed("raw_values: has 5 entries, expected 4");
  Spoil([](v1::EvaluateResponse& answer) { answer.add_reasons("why"); });
  ExpectMalformed("reasons: has 1 entries, expected 2");
  Spoil([](v1::EvaluateResponse& answer) { answer.set_objectives(0, "weight"); });
  ExpectMalformed("lacks \"size\"");
  Spoil([](v1::EvaluateResponse& answer) { answer.clear_fingerprint(); });
  ExpectMalformed("fingerprint: is empty");
  Spoil(
      [](v1::EvaluateResponse& answer) { answer.set_statuses(1, v1::OBJECT_STATUS_UNSPECIFIED); });
  ExpectMalformed("statuses[1]: is 0");
  Spoil([](v1::EvaluateResponse& answer) {
    answer.set_statuses(0, static_cast<v1::ObjectStatus>(99));
  });
  ExpectMalformed("statuses[0]: is 99");
  Spoil([](v1::EvaluateResponse& answer) { answer.Clear(); });
  ExpectMalformed("request_id");
}

TEST_F(AnswerCheckTest, AValueThatIsNotFiniteFailsItsObjectOnly) {
  for (const double value : {kNan, kInfinity, -kInfinity}) {
    Spoil([value](v1::EvaluateResponse& answer) { answer.set_raw_values(3, value); });
    const auto answer = Ask();
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_THAT(answer->statuses(), ElementsAre(v1::OBJECT_STATUS_OK, v1::OBJECT_STATUS_FAILED));
    EXPECT_THAT(answer->raw_values(), ElementsAre(1, 2, 0, 0));
    EXPECT_THAT(answer->reasons(1), HasSubstr("for area, which isn't a finite number"));
  }
}

TEST_F(AnswerCheckTest, AValueThatDoesNotCountMayBeAnything) {
  Spoil([](v1::EvaluateResponse& answer) {
    answer.set_raw_values(3, kNan);
    for (const bool valid : {true, true, true, false}) answer.add_raw_value_valid(valid);
  });
  const auto answer = Ask();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->statuses(1), v1::OBJECT_STATUS_OK);
}

TEST_F(AnswerCheckTest, CostsAndErrorsThatMakeNoSenseFailTheirObject) {
  Spoil([](v1::EvaluateResponse& answer) {
    answer.add_costs(-5);
    answer.add_costs(2);
    for (const double error : {.1, .1, .1, kNan}) answer.add_raw_standard_errors(error);
  });
  const auto answer = Ask();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->statuses(), ElementsAre(v1::OBJECT_STATUS_FAILED, v1::OBJECT_STATUS_FAILED));
  EXPECT_THAT(answer->costs(), ElementsAre(0, 2));
  EXPECT_THAT(answer->reasons(0), HasSubstr("cost of -5"));
  EXPECT_THAT(answer->reasons(1), HasSubstr("standard error"));
}

TEST_F(AnswerCheckTest, PendingNeedsATicketOfReasonableSize) {
  Spoil([](v1::EvaluateResponse& answer) {
    answer.set_statuses(0, v1::OBJECT_STATUS_PENDING);
    answer.set_statuses(1, v1::OBJECT_STATUS_PENDING);
  });
  EXPECT_THAT(Ask()->statuses(), ElementsAre(v1::OBJECT_STATUS_FAILED, v1::OBJECT_STATUS_FAILED));
  Spoil([](v1::EvaluateResponse& answer) {
    answer.set_statuses(0, v1::OBJECT_STATUS_PENDING);
    answer.set_statuses(1, v1::OBJECT_STATUS_PENDING);
    answer.add_tickets("lab-7");
    answer.add_tickets(std::string(kLongestTicket + 1, 't'));
  });
  const auto answer = Ask();
  EXPECT_THAT(answer->statuses(), ElementsAre(v1::OBJECT_STATUS_PENDING, v1::OBJECT_STATUS_FAILED));
  EXPECT_THAT(answer->tickets(), ElementsAre("lab-7", ""));
}

TEST_F(AnswerCheckTest, AHugeReasonIsCutBetweenCharacters) {
  Spoil([](v1::EvaluateResponse& answer) {
    answer.add_reasons();
    std::string& reason = *answer.add_reasons();
    reason = "x";
    for (int i = 0; i < 1'000'000; ++i) reason += "é";  // Two bytes: 500 is within one.
  });
  const auto answer = Ask();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->reasons(1).size(), kLongestReason - 1 + 3);
  EXPECT_EQ(answer->reasons(1).substr(497), "é...");
}

TEST_F(AnswerCheckTest, AnOracleThatIgnoresTheExpectedFingerprintIsCaught) {
  auto request = NumberRequest("a", {"1"}, {"size"});
  request.set_expected_fingerprint("numbers/0");
  const absl::Status status = checked_->Evaluate(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), kReasonFingerprintChanged);
  EXPECT_THAT(std::string(status.message()), HasSubstr("numbers/0"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("numbers/1"));
}

TEST_F(AnswerCheckTest, ADescriptionThatCannotBeUsedIsRefusedForGood) {
  oracle_->objectives = {"size", "size"};
  absl::Status status = checked_->Describe({}).status();
  EXPECT_FALSE(IsRetryable(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("\"size\" is there twice"));
  oracle_->objectives = {};
  EXPECT_THAT(std::string(checked_->Describe({}).status().message()),
              HasSubstr("objectives: there is none"));
  oracle_->objectives = {"size"};
  oracle_->fingerprint = "";
  EXPECT_THAT(std::string(checked_->Describe({}).status().message()),
              HasSubstr("fingerprint: is empty"));
}

}  // namespace
}  // namespace anabranch
