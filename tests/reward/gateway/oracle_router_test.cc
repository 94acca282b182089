#include "reward/gateway/oracle_router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/synchronization/barrier.h"
#include "runtime/error_reason.h"
#include "tests/reward/gateway/scripted_oracle.h"

namespace anabranch {
namespace {

using ::absl::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class OracleRouterTest : public testing::Test {
 protected:
  OracleRouterTest() {
    left_.fingerprint = "left/1";
    right_.fingerprint = "right/1";
  }
  std::unique_ptr<OracleRouter> Make(OracleRouterOptions options = {},
                                     std::vector<std::string> left_objectives = {},
                                     std::vector<std::string> right_objectives = {}) {
    return std::make_unique<OracleRouter>(
        std::vector<RoutedOracle>{{"left", std::move(left_objectives), &left_},
                                  {"right", std::move(right_objectives), &right_}},
        std::move(options));
  }
  static std::string MessageOf(const absl::Status& status) { return std::string(status.message()); }

  ScriptedOracle left_{{"qed", "sa"}}, right_{{"affinity"}};
};

TEST_F(OracleRouterTest, DescriptionsAreMergedInTheOrderOfTheOracles) {
  left_.formats = {"smiles", "number"};
  right_.formats = {"number", "selfies"};
  right_.deterministic = false;
  const auto router = Make();
  const auto description = router->Describe({});
  ASSERT_TRUE(description.ok()) << description.status();
  std::vector<std::string> names;
  for (const auto& objective : description->objectives()) names.push_back(objective.name());
  EXPECT_THAT(names, ElementsAre("qed", "sa", "affinity"));
  EXPECT_THAT(description->accepted_formats(), ElementsAre("number"));
  EXPECT_FALSE(description->deterministic());
  const std::string fingerprint = description->fingerprint();
  right_.fingerprint = "right/2";
  EXPECT_NE(router->Describe({})->fingerprint(), fingerprint);
  right_.fingerprint = "right/1";
  EXPECT_EQ(router->Describe({})->fingerprint(), fingerprint);
}

TEST_F(OracleRouterTest, EachObjectiveIsAskedOfItsOracleAndColumnsComeAsAsked) {
  const auto router = Make();
  const auto answer = router->Evaluate(NumberRequest("a", {"1", "2"}, {"affinity", "sa", "qed"}));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->request_id(), "a");
  EXPECT_EQ(answer->fingerprint(), router->Describe({})->fingerprint());
  EXPECT_THAT(answer->objectives(), ElementsAre("affinity", "sa", "qed"));
  EXPECT_THAT(answer->raw_values(), ElementsAre(1, 2, 1, 2, 4, 2));
  EXPECT_THAT(left_.requests()[0].objectives(), ElementsAre("sa", "qed"));
  EXPECT_THAT(right_.requests()[0].objectives(), ElementsAre("affinity"));
  ASSERT_TRUE(router->Evaluate(NumberRequest("b", {"1"}, {"qed"})).ok());
  EXPECT_EQ(right_.requests().size(), 1u);  // Not asked for what it doesn't compute.
  EXPECT_THAT(router->Evaluate(NumberRequest("c", {"1"}))->raw_values(), ElementsAre(1, 2, 1));
}

TEST_F(OracleRouterTest, OraclesAreAskedAtTheSameTime) {
  absl::Barrier* both = new absl::Barrier(2);  // Gives way only when both are in it.
  const auto meet = [both](const v1::EvaluateRequest&, v1::EvaluateResponse&) {
    if (both->Block()) delete both;
    return absl::OkStatus();
  };
  left_.spoil = right_.spoil = meet;
  EXPECT_TRUE(Make()->Evaluate(NumberRequest("a", {"1"})).ok());
}

TEST_F(OracleRouterTest, TwoOraclesWithOneObjectiveAreRefusedUnlessTheConfigurationChooses) {
  right_.objectives = {"affinity", "qed"};
  const absl::Status status = Make()->Describe({}).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(MessageOf(status), HasSubstr("\"left\" and \"right\" both compute"));
  const auto router = Make({}, {"sa"});
  EXPECT_THAT(router->Evaluate(NumberRequest("a", {"3"}, {"qed", "sa"}))->raw_values(),
              ElementsAre(6, 6));
}

TEST_F(OracleRouterTest, WhatNobodyComputesIsNamedBesideWhatThereIs) {
  OracleRouterOptions options;
  options.needed = {"qed", "logp"};
  EXPECT_THAT(MessageOf(Make(options)->Describe({}).status()),
              HasSubstr("no oracle computes \"logp\"; there are: qed, sa, affinity"));
  EXPECT_THAT(MessageOf(Make({}, {"logp"})->Describe({}).status()),
              HasSubstr("\"left\" has no objective \"logp\"; it describes: qed, sa"));
  const absl::Status status = Make()->Evaluate(NumberRequest("a", {"1"}, {"logp"})).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(MessageOf(status), HasSubstr("no \"logp\"; there are: qed, sa, affinity"));
}

TEST_F(OracleRouterTest, FormatsMustFitAndNoneMeansAny) {
  OracleRouterOptions options;
  options.format = "number";
  left_.formats = {};
  EXPECT_THAT(Make(options)->Describe({})->accepted_formats(), ElementsAre("number"));
  right_.formats = {};
  EXPECT_THAT(Make(options)->Describe({})->accepted_formats(), ElementsAre("number"));
  right_.formats = {"smiles"};
  EXPECT_THAT(MessageOf(Make(options)->Describe({}).status()),
              HasSubstr("objects are sent as \"number\""));
  left_.formats = {"selfies"};
  EXPECT_THAT(MessageOf(Make()->Describe({}).status()), HasSubstr("read no common format"));
}

TEST_F(OracleRouterTest, AnObjectsStatusIsTheOneThatSaysMost) {
  const std::vector<v1::ObjectStatus> ranking = {
      v1::OBJECT_STATUS_INVALID,    v1::OBJECT_STATUS_FAILED,
      v1::OBJECT_STATUS_INFEASIBLE, v1::OBJECT_STATUS_BUDGET_EXHAUSTED,
      v1::OBJECT_STATUS_RETRYABLE,  v1::OBJECT_STATUS_PENDING,
      v1::OBJECT_STATUS_OK};
  const auto router = Make();
  for (size_t a = 0; a < ranking.size(); ++a) {
    for (size_t b = 0; b < ranking.size(); ++b) {
      const auto say = [&ranking](size_t status, const std::string& ticket) {
        return
            [&ranking, status, ticket](const v1::EvaluateRequest&, v1::EvaluateResponse& answer) {
              answer.set_statuses(0, ranking[status]);
              answer.add_reasons(v1::ObjectStatus_Name(ranking[status]));
              answer.add_tickets(ranking[status] == v1::OBJECT_STATUS_PENDING ? ticket : "");
              return absl::OkStatus();
            };
      };
      left_.spoil = say(a, "t");
      right_.spoil = say(b, "t");
      const auto answer = router->Evaluate(NumberRequest("a", {"1"}));
      ASSERT_TRUE(answer.ok()) << answer.status();
      EXPECT_EQ(answer->statuses(0), ranking[std::min(a, b)]);
      EXPECT_THAT(answer->reasons(0), HasSubstr(v1::ObjectStatus_Name(ranking[std::min(a, b)])));
      EXPECT_THAT(answer->reasons(0), HasSubstr(a <= b ? "left: " : "right: "));
      const bool pending = ranking[std::min(a, b)] == v1::OBJECT_STATUS_PENDING;
      EXPECT_EQ(!answer->tickets().empty() && answer->tickets(0) == "t", pending);
    }
  }
}

TEST_F(OracleRouterTest, CostsAddUpAndTheLongestWaitCounts) {
  left_.spoil = [](const v1::EvaluateRequest&, v1::EvaluateResponse& answer) {
    answer.add_costs(1), answer.add_costs(2);
    answer.add_retry_after_millis(10), answer.add_retry_after_millis(500);
    answer.add_from_cache(true), answer.add_from_cache(true);
    answer.mutable_budget()->set_evaluations_left(7);
    answer.mutable_budget()->set_evaluations_used(3);
    return absl::OkStatus();
  };
  right_.spoil = [](const v1::EvaluateRequest&, v1::EvaluateResponse& answer) {
    answer.add_costs(.5), answer.add_costs(0);
    answer.add_retry_after_millis(20), answer.add_retry_after_millis(0);
    answer.add_from_cache(false), answer.add_from_cache(true);
    answer.mutable_budget()->set_evaluations_left(5);
    answer.mutable_budget()->set_evaluations_used(4);
    return absl::OkStatus();
  };
  const auto answer = Make()->Evaluate(NumberRequest("a", {"1", "2"}));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->costs(), ElementsAre(1.5, 2));
  EXPECT_THAT(answer->retry_after_millis(), ElementsAre(20, 500));
  EXPECT_THAT(answer->from_cache(), ElementsAre(false, true));
  EXPECT_EQ(answer->budget().evaluations_left(), 5u);
  EXPECT_EQ(answer->budget().evaluations_used(), 4u);
}

TEST_F(OracleRouterTest, ARequestThatOneOracleFailsFailsAndThePermanentFailureComesFirst) {
  left_.spoil = [](const v1::EvaluateRequest&, v1::EvaluateResponse&) {
    return WithReason(absl::UnavailableError("oracle \"left\": down"), kReasonCircuitOpen);
  };
  const auto router = Make();
  const absl::Status status = router->Evaluate(NumberRequest("a", {"1"})).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(status), kReasonCircuitOpen);
  EXPECT_THAT(MessageOf(status), HasSubstr("\"left\""));
  right_.spoil = [](const v1::EvaluateRequest&, v1::EvaluateResponse&) {
    return absl::InvalidArgumentError("never");
  };
  EXPECT_EQ(router->Evaluate(NumberRequest("a", {"1"})).status().code(),
            StatusCode::kInvalidArgument);
}

TEST_F(OracleRouterTest, TheExpectedFingerprintIsTheMergedOneAndEachOracleExpectsItsOwn) {
  const auto router = Make();
  auto request = NumberRequest("a", {"1"});
  request.set_expected_fingerprint(router->Describe({})->fingerprint());
  ASSERT_TRUE(router->Evaluate(request).ok());
  EXPECT_EQ(left_.requests()[0].expected_fingerprint(), "left/1");
  EXPECT_EQ(right_.requests()[0].expected_fingerprint(), "right/1");
  request.set_expected_fingerprint("another");
  const absl::Status status = router->Evaluate(request).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), kReasonFingerprintChanged);
  EXPECT_THAT(MessageOf(status), HasSubstr("another"));
  EXPECT_THAT(MessageOf(status), HasSubstr(router->Describe({})->fingerprint()));
}

TEST_F(OracleRouterTest, AnAnswerUnderANewFingerprintSaysSo) {
  const auto router = Make();
  const std::string before = router->Describe({})->fingerprint();
  left_.fingerprint = "left/2";
  const auto answer = router->Evaluate(NumberRequest("a", {"1"}));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_NE(answer->fingerprint(), before);
  EXPECT_EQ(answer->fingerprint(), router->Describe({})->fingerprint());
}

TEST_F(OracleRouterTest, ASingleOracleGetsTheRequestAsItIs) {
  OracleRouter router({{"left", {"sa"}, &left_}}, {});
  EXPECT_EQ(router.Describe({})->fingerprint(), "left/1");
  auto request = NumberRequest("a", {"1"}, {"sa"});
  request.set_expected_fingerprint("left/1");
  ASSERT_TRUE(router.Evaluate(request).ok());
  EXPECT_EQ(left_.requests()[0].SerializeAsString(), request.SerializeAsString());
  // All that is taken from it, not all that it describes.
  EXPECT_THAT(router.Evaluate(NumberRequest("b", {"1"}))->objectives(), ElementsAre("sa"));
  EXPECT_EQ(router.Evaluate(NumberRequest("c", {"1"}, {"qed"})).status().code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace anabranch
