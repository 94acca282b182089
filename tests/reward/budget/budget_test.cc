#include "reward/budget/budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "reward/budget/budget_gate.h"
#include "tests/reward/number_oracle.h"

namespace anabranch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

v1::BudgetConfig Limits(uint64_t evaluations, double cost = 0) {
  v1::BudgetConfig config;
  config.set_max_evaluations(evaluations);
  config.set_max_cost(cost);
  return config;
}

// A store whose disk can be full.
class FullStore final : public KeyValueStore {
 public:
  absl::StatusOr<bool> Get(absl::string_view key, std::string& value) override {
    return store_->Get(key, value);
  }
  absl::Status GetMany(const std::vector<std::string>& keys, std::vector<std::string>& values,
                       std::vector<char>& found) override {
    return store_->GetMany(keys, values, found);
  }
  absl::Status Write(const KeyValueBatch& batch, bool sync) override {
    return full ? absl::ResourceExhaustedError("no space") : store_->Write(batch, sync);
  }
  absl::Status Scan(absl::string_view prefix,
                    absl::FunctionRef<bool(absl::string_view, absl::string_view)> visit) override {
    return store_->Scan(prefix, visit);
  }
  std::atomic<bool> full = false;

 private:
  const std::unique_ptr<KeyValueStore> store_ = MakeMemoryStore();
};

class BudgetTest : public testing::Test {
 protected:
  void Open(const v1::BudgetConfig& config) {
    gate_.reset();
    auto budget = Budget::Open(config, store_);
    ASSERT_TRUE(budget.ok()) << budget.status();
    budget_ = *std::move(budget);
    gate_ = std::make_unique<BudgetGate>(oracle_, "numbers", *budget_);
  }
  v1::EvaluateResponse Ask(const v1::EvaluateRequest& request) {
    auto response = gate_->Evaluate(request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? *response : v1::EvaluateResponse();
  }
  // All objects PENDING with these tickets, or as before.
  void AnswerPending(std::vector<std::string> tickets) {
    oracle_.spoil = [tickets](const v1::EvaluateRequest&, v1::EvaluateResponse& r) {
      for (int i = 0; i < r.statuses_size(); ++i) {
        r.set_statuses(i, v1::OBJECT_STATUS_PENDING);
        r.add_tickets(tickets[i]);
      }
    };
  }
  void AnswerAll(v1::ObjectStatus status) {
    oracle_.spoil = [status](const v1::EvaluateRequest&, v1::EvaluateResponse& r) {
      for (int& s : *r.mutable_statuses()) s = status;
    };
  }
  uint64_t used() { return budget_->Read().evaluations_used(); }
  uint64_t left() { return budget_->Read().evaluations_left(); }
  uint64_t outstanding() { return budget_->Read().evaluations_outstanding(); }

  FullStore store_;
  NumberOracle oracle_;
  std::unique_ptr<Budget> budget_;
  std::unique_ptr<BudgetGate> gate_;
};

v1::EvaluateRequest Poll(const std::string& object, const std::string& ticket) {
  v1::EvaluateRequest request = Request({object});
  request.mutable_objects(0)->set_ticket(ticket);
  return request;
}

TEST_F(BudgetTest, ObjectsBeyondWhatIsLeftAreRefusedByStatusAndTheOthersAreAsked) {
  Open(Limits(3));
  EXPECT_EQ(Ask(Request({"1"})).budget().evaluations_left(), 2u);
  oracle_.TakeAsked();
  const v1::EvaluateResponse out = Ask(Request({"2", "3", "4", "5"}));
  EXPECT_THAT(oracle_.TakeAsked(), ElementsAre(ElementsAre("2", "3")));
  EXPECT_THAT(out.statuses(),
              ElementsAre(v1::OBJECT_STATUS_OK, v1::OBJECT_STATUS_OK,
                          v1::OBJECT_STATUS_BUDGET_EXHAUSTED, v1::OBJECT_STATUS_BUDGET_EXHAUSTED));
  EXPECT_THAT(out.raw_values(), ElementsAre(2, 4, 3, 9, 0, 0, 0, 0));
  EXPECT_EQ(out.request_id(), "batch-1");
  EXPECT_NE(oracle_.last_ids()[0], "batch-1");
  EXPECT_EQ(out.reasons(1), "");
  EXPECT_THAT(out.reasons(2), HasSubstr("3 of 3 evaluations"));
  EXPECT_THAT(out.reasons(2), HasSubstr("reward.budget.max_evaluations"));
  EXPECT_EQ(out.budget().evaluations_used(), 3u);
  EXPECT_EQ(out.budget().evaluations_left(), 0u);
}

TEST_F(BudgetTest, ASpentBudgetAsksNothingAndStillSaysWhoWasAsked) {
  Open(Limits(1));
  Ask(Request({"1"}));
  oracle_.TakeAsked();
  const v1::EvaluateResponse out = Ask(Request({"2"}));
  EXPECT_TRUE(oracle_.TakeAsked().empty());
  EXPECT_EQ(out.fingerprint(), "numbers/1");
  EXPECT_THAT(out.objectives(), ElementsAre("size", "area"));
  EXPECT_THAT(out.statuses(), ElementsAre(v1::OBJECT_STATUS_BUDGET_EXHAUSTED));
  EXPECT_EQ(out.raw_values_size(), 2);
}

TEST_F(BudgetTest, WhatWasEvaluatedCountsWhateverCameOfItAndTheRestIsGivenBack) {
  Open(Limits(100));
  uint64_t expected = 0;
  for (const v1::ObjectStatus status :
       {v1::OBJECT_STATUS_OK, v1::OBJECT_STATUS_INVALID, v1::OBJECT_STATUS_FAILED,
        v1::OBJECT_STATUS_INFEASIBLE, v1::OBJECT_STATUS_UNSPECIFIED}) {
    AnswerAll(status);
    Ask(Request({"1", "2"}));
    EXPECT_EQ(used(), expected += 2) << status;
  }
  for (const v1::ObjectStatus status :
       {v1::OBJECT_STATUS_RETRYABLE, v1::OBJECT_STATUS_BUDGET_EXHAUSTED}) {
    AnswerAll(status);
    Ask(Request({"1", "2"}));
    EXPECT_EQ(used(), expected) << status;
  }
  oracle_.spoil = nullptr;
  oracle_.fails = absl::UnavailableError("down");
  EXPECT_EQ(gate_->Evaluate(Request({"1", "2"})).status(), oracle_.fails);
  EXPECT_EQ(used(), expected);
  EXPECT_EQ(outstanding(), 0u);
  EXPECT_EQ(left(), 100 - expected);
}

TEST_F(BudgetTest, WhatCameFromACacheOfTheOraclesCostsNoEvaluation) {
  Open(Limits(10));
  oracle_.spoil = [](const v1::EvaluateRequest&, v1::EvaluateResponse& r) {
    r.add_from_cache(true);
    r.add_from_cache(false);
  };
  Ask(Request({"1", "2"}));
  EXPECT_EQ(used(), 1u);
}

TEST_F(BudgetTest, EveryReplicateCounts) {
  Open(Limits(7));
  v1::EvaluateRequest request = Request({"1", "2", "3"});
  request.set_replicates(3);
  const v1::EvaluateResponse out = Ask(request);
  EXPECT_EQ(used(), 6u);
  EXPECT_EQ(out.statuses(2), v1::OBJECT_STATUS_BUDGET_EXHAUSTED);
  EXPECT_FALSE(out.reasons(2).empty());
}

TEST_F(BudgetTest, APendingObjectStaysOutstandingUntilItsPollIsAnswered) {
  Open(Limits(3));
  AnswerPending({"lab-1", "lab-2"});
  Ask(Request({"1", "2"}));
  EXPECT_EQ(used(), 0u);
  EXPECT_EQ(outstanding(), 2u);
  EXPECT_EQ(left(), 1u);
  oracle_.fails = absl::UnavailableError("down");
  EXPECT_FALSE(gate_->Evaluate(Poll("1", "lab-1")).ok());
  oracle_.fails = absl::OkStatus();
  AnswerAll(v1::OBJECT_STATUS_RETRYABLE);
  Ask(Poll("1", "lab-1"));
  AnswerPending({"lab-1"});
  Ask(Poll("1", "lab-1"));
  AnswerPending({"lab-9"});  // Another ticket for the same evaluation.
  Ask(Poll("1", "lab-1"));
  EXPECT_EQ(outstanding(), 2u);
  EXPECT_EQ(used(), 0u);
  oracle_.spoil = nullptr;
  Ask(Poll("1", "lab-9"));
  EXPECT_EQ(outstanding(), 1u);
  EXPECT_EQ(used(), 1u);
  EXPECT_EQ(left(), 1u);
}

TEST_F(BudgetTest, APollIsAskedWhenNothingIsLeft) {
  Open(Limits(1));
  AnswerPending({"lab-1"});
  Ask(Request({"1"}));
  oracle_.spoil = nullptr;
  v1::EvaluateRequest request = Request({"2", "1"});
  request.mutable_objects(1)->set_ticket("lab-1");
  EXPECT_THAT(Ask(request).statuses(),
              ElementsAre(v1::OBJECT_STATUS_BUDGET_EXHAUSTED, v1::OBJECT_STATUS_OK));
  EXPECT_EQ(used(), 1u);
}

TEST_F(BudgetTest, AnUnknownTicketIsANewEvaluation) {
  Open(Limits(5));
  Ask(Poll("1", "never given"));
  EXPECT_EQ(used(), 1u);
}

TEST_F(BudgetTest, TheCountSurvivesTheProcessAndAHigherLimitGoesOn) {
  Open(Limits(3));
  AnswerPending({"lab-1"});
  Ask(Request({"1"}));
  oracle_.spoil = nullptr;
  Ask(Request({"2", "3"}));
  Open(Limits(3));
  EXPECT_EQ(used(), 2u);
  EXPECT_EQ(outstanding(), 1u);
  EXPECT_EQ(Ask(Request({"4"})).statuses(0), v1::OBJECT_STATUS_BUDGET_EXHAUSTED);
  Open(Limits(4));
  EXPECT_EQ(Ask(Request({"4"})).statuses(0), v1::OBJECT_STATUS_OK);
  Ask(Poll("1", "lab-1"));
  EXPECT_EQ(used(), 4u);
  Open(Limits(2));  // A lower one too: nothing is left, nothing underflows.
  EXPECT_EQ(left(), 0u);
}

TEST_F(BudgetTest, WhatWasUnderWayWhenTheProcessWasLostCountsAsUsed) {
  Open(Limits(10));
  EXPECT_EQ(*budget_->Reserve(4), 4u);
  EXPECT_EQ(outstanding(), 4u);
  Open(Limits(10));
  EXPECT_EQ(used(), 4u);
  EXPECT_EQ(outstanding(), 0u);
  EXPECT_EQ(left(), 6u);
}

TEST_F(BudgetTest, ATicketThatNobodyCanAskForCountsAsUsed) {
  Open(Limits(10));
  AnswerPending({"lab-1", "lab-2"});
  Ask(Request({"1", "2"}));
  ASSERT_TRUE(budget_->Reconcile("another", {}).ok());
  EXPECT_EQ(outstanding(), 2u);
  ASSERT_TRUE(budget_->Reconcile("numbers", {"lab-2"}).ok());
  EXPECT_EQ(outstanding(), 1u);
  EXPECT_EQ(used(), 1u);
  EXPECT_EQ(budget_->Outstanding("numbers", "lab-1"), 0u);
}

TEST_F(BudgetTest, CostIsAddedFromAnswersAndEndsTheAskingOnceItHasReachedItsLimit) {
  Open(Limits(0, 5));
  oracle_.spoil = [](const v1::EvaluateRequest&, v1::EvaluateResponse& r) {
    for (int i = 0; i < r.statuses_size(); ++i) r.add_costs(i == 0 ? 2 : std::nan(""));
    r.mutable_budget()->set_cost_unit("EUR");
  };
  Ask(Request({"1", "2"}));
  EXPECT_EQ(Ask(Request({"3"})).budget().cost_left(), 1);
  const v1::EvaluateResponse over = Ask(Request({"4"}));
  EXPECT_EQ(over.budget().cost_used(), 6);  // What was under way may overshoot.
  EXPECT_EQ(over.budget().cost_left(), 0);
  EXPECT_EQ(over.budget().cost_unit(), "EUR");
  EXPECT_FALSE(over.budget().has_evaluations_left());
  const v1::EvaluateResponse refused = Ask(Request({"5"}));
  EXPECT_EQ(refused.statuses(0), v1::OBJECT_STATUS_BUDGET_EXHAUSTED);
  EXPECT_THAT(refused.reasons(0), HasSubstr("cost 6 of 5 EUR"));
  EXPECT_THAT(refused.reasons(0), HasSubstr("reward.budget.max_cost"));
}

TEST_F(BudgetTest, TheSmallerOfTwoBudgetsIsTold) {
  Open(Limits(10));
  oracle_.spoil = [](const v1::EvaluateRequest&, v1::EvaluateResponse& r) {
    r.mutable_budget()->set_evaluations_left(4);
    r.mutable_budget()->set_cost_left(7);
  };
  const v1::RewardBudget told = Ask(Request({"1"})).budget();
  EXPECT_EQ(told.evaluations_left(), 4u);
  EXPECT_EQ(told.cost_left(), 7);
  EXPECT_EQ(told.evaluations_used(), 1u);
  oracle_.spoil = [](const v1::EvaluateRequest&, v1::EvaluateResponse& r) {
    r.mutable_budget()->set_evaluations_left(400);
  };
  EXPECT_EQ(Ask(Request({"2"})).budget().evaluations_left(), 8u);
  const auto description = gate_->Describe({});
  ASSERT_TRUE(description.ok());
  EXPECT_EQ(description->budget().evaluations_left(), 8u);
}

TEST_F(BudgetTest, ADiskThatIsFullGrantsNothingUnderALimitAndForgetsNothingWithout) {
  Open(Limits(10));
  store_.full = true;
  EXPECT_EQ(gate_->Evaluate(Request({"1"})).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(oracle_.TakeAsked().empty());
  store_.full = false;
  Ask(Request({"1"}));
  EXPECT_EQ(used(), 1u);
  EXPECT_EQ(left(), 9u);
  Open(Limits(0));
  store_.full = true;
  AnswerPending({"lab-1"});
  Ask(Request({"2"}));
  oracle_.spoil = nullptr;
  Ask(Request({"3"}));
  store_.full = false;
  Ask(Request({"4"}));  // Its write carries what the others couldn't.
  Open(Limits(0));
  EXPECT_EQ(used(), 3u);
  EXPECT_EQ(outstanding(), 1u);
}

TEST_F(BudgetTest, AnAnswerWithMissingStatusesIsAnErrorAndNothingIsLost) {
  Open(Limits(3));
  oracle_.spoil = [](const v1::EvaluateRequest&, v1::EvaluateResponse& r) {
    r.mutable_statuses()->RemoveLast();
  };
  EXPECT_EQ(gate_->Evaluate(Request({"1", "2"})).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(gate_->Evaluate(Request({"1", "2", "3", "4"})).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(left(), 3u);
}

TEST_F(BudgetTest, DamagedContentAndABadLimitAreNamed) {
  EXPECT_THAT(std::string(Budget::Open(Limits(0, -1), store_).status().message()),
              HasSubstr("reward.budget.max_cost: is -1"));
  KeyValueBatch batch;
  batch.Put("budget/state", "\xff\xff");
  ASSERT_TRUE(store_.Write(batch, true).ok());
  EXPECT_EQ(Budget::Open(Limits(1), store_).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(BudgetTest, ManyThreadsNeverGetMoreThanThereIs) {
  Open(Limits(500));
  std::atomic<uint64_t> answered = 0, refused = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        const auto out = gate_->Evaluate(Request({std::to_string(t), std::to_string(i)}));
        if (!out.ok()) continue;
        for (const int s : out->statuses()) ++(s == v1::OBJECT_STATUS_OK ? answered : refused);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, 500u);
  EXPECT_EQ(refused, 300u);
  Open(Limits(500));
  EXPECT_EQ(used(), 500u);
}

}  // namespace
}  // namespace anabranch
