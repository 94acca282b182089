#include "reward/cache/result_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/reward/number_oracle.h"

namespace anabranch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<bool> FromCache(const v1::EvaluateResponse& response) {
  return {response.from_cache().begin(), response.from_cache().end()};
}

class ResultCacheTest : public testing::Test {
 protected:
  ResultCacheTest() { Make({}); }
  void Make(ResultCacheOptions options) {
    options.oracle = "numbers";
    cache_ = *ResultCache::Create(oracle_, options, nullptr, NullLog());
  }
  v1::EvaluateResponse Ask(const v1::EvaluateRequest& request) {
    auto response = cache_->Evaluate(request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? *response : v1::EvaluateResponse();
  }

  NumberOracle oracle_;
  std::unique_ptr<ResultCache> cache_;
};

TEST_F(ResultCacheTest, OnlyWhatIsNewGoesToTheOracleAndTheOrderIsKept) {
  EXPECT_THAT(FromCache(Ask(Request({"1", "2"}))), ElementsAre(false, false));
  oracle_.TakeAsked();
  const v1::EvaluateResponse out = Ask(Request({"3", "2", "4", "1"}));
  EXPECT_THAT(oracle_.TakeAsked(), ElementsAre(ElementsAre("3", "4")));
  EXPECT_EQ(out.request_id(), "batch-1");
  EXPECT_EQ(out.fingerprint(), "numbers/1");
  EXPECT_THAT(out.raw_values(), ElementsAre(3, 9, 2, 4, 4, 16, 1, 1));
  EXPECT_THAT(FromCache(out), ElementsAre(false, true, false, true));
  EXPECT_EQ(cache_->totals().hits, 2);
  EXPECT_EQ(cache_->totals().entries, 4);
}

TEST_F(ResultCacheTest, WhatIsKnownNeedsNoOracle) {
  const v1::EvaluateResponse first = Ask(Request({"1", "2"}));
  oracle_.TakeAsked();
  const v1::EvaluateResponse again = Ask(Request({"1", "2"}));
  EXPECT_THAT(oracle_.TakeAsked(), IsEmpty());
  EXPECT_THAT(FromCache(again), ElementsAre(true, true));
  EXPECT_EQ(std::vector<double>(again.raw_values().begin(), again.raw_values().end()),
            std::vector<double>(first.raw_values().begin(), first.raw_values().end()));
}

TEST_F(ResultCacheTest, OtherObjectsUnderOneRequestIdAreAnotherRequestToTheOracle) {
  Ask(Request({"1"}));
  oracle_.TakeAsked();
  oracle_.spoil = [](const v1::EvaluateRequest&, v1::EvaluateResponse& r) {
    r.set_statuses(0, v1::OBJECT_STATUS_RETRYABLE);  // So that it is asked again.
  };
  Ask(Request({"1", "2"}));
  Ask(Request({"1", "2"}));
  Ask(Request({"1", "3", "2"}));
  oracle_.TakeAsked();
  const std::vector<std::string> ids = oracle_.last_ids();
  ASSERT_EQ(ids.size(), 3u);
  EXPECT_NE(ids[0], "batch-1");
  EXPECT_EQ(ids[0], ids[1]);
  EXPECT_NE(ids[0], ids[2]);
}

TEST_F(ResultCacheTest, ColumnsComeInTheRequestsOrderWhateverTheOrderTheyWereKeptIn) {
  v1::EvaluateRequest request = Request({"3"});
  request.add_objectives("size");
  request.add_objectives("area");
  Ask(request);
  request.set_objectives(0, "area");
  request.set_objectives(1, "size");
  oracle_.TakeAsked();
  const v1::EvaluateResponse out = Ask(request);
  EXPECT_THAT(oracle_.TakeAsked(), IsEmpty());
  EXPECT_THAT(out.objectives(), ElementsAre("area", "size"));
  EXPECT_THAT(out.raw_values(), ElementsAre(9, 3));
  request.mutable_objectives()->RemoveLast();  // Another set.
  EXPECT_THAT(Ask(request).raw_values(), ElementsAre(9));
  EXPECT_THAT(oracle_.TakeAsked(), ElementsAre(ElementsAre("3")));
}

TEST_F(ResultCacheTest, OkAndInvalidAreKeptAndNothingElse) {
  const std::vector<v1::ObjectStatus> statuses = {
      v1::OBJECT_STATUS_OK,      v1::OBJECT_STATUS_INVALID,   v1::OBJECT_STATUS_FAILED,
      v1::OBJECT_STATUS_PENDING, v1::OBJECT_STATUS_RETRYABLE, v1::OBJECT_STATUS_BUDGET_EXHAUSTED};
  oracle_.spoil = [&](const v1::EvaluateRequest& request, v1::EvaluateResponse& r) {
    for (int i = 0; i < r.statuses_size(); ++i) {
      const v1::ObjectStatus status = statuses[std::stoi(request.objects(i).inline_())];
      r.set_statuses(i, status);
      r.add_tickets(std::string(status == v1::OBJECT_STATUS_PENDING ? 1 : 0, 't'));
      r.add_reasons(std::string(status == v1::OBJECT_STATUS_INVALID ? 1 : 0, '?'));
    }
  };
  const v1::EvaluateRequest request = Request({"0", "1", "2", "3", "4", "5"});
  Ask(request);
  oracle_.TakeAsked();
  const v1::EvaluateResponse out = Ask(request);
  EXPECT_THAT(oracle_.TakeAsked(), ElementsAre(ElementsAre("2", "3", "4", "5")));
  for (int i = 0; i < 6; ++i) EXPECT_EQ(out.statuses(i), statuses[i]);
  EXPECT_THAT(out.tickets(),
              ElementsAre("", "", "", TicketOf(request, request.objects(3)), "", ""));
  EXPECT_EQ(out.reasons(1), "?");
}

TEST_F(ResultCacheTest, AnObjectIsNeverKeptWithAValueThatIsNotFinite) {
  oracle_.spoil = [](const v1::EvaluateRequest&, v1::EvaluateResponse& r) {
    r.set_raw_values(0, std::numeric_limits<double>::quiet_NaN());
  };
  Ask(Request({"1"}));
  oracle_.spoil = nullptr;
  EXPECT_THAT(Ask(Request({"1"})).raw_values(), ElementsAre(1, 1));
}

TEST_F(ResultCacheTest, BypassReadsNothingButUpdates) {
  Ask(Request({"2"}));
  oracle_.spoil = [](const v1::EvaluateRequest&, v1::EvaluateResponse& r) {
    r.set_raw_values(0, 77);
  };
  v1::EvaluateRequest bypass = Request({"2"});
  bypass.set_bypass_cache(true);
  const v1::EvaluateResponse fresh = Ask(bypass);
  EXPECT_THAT(fresh.raw_values(), ElementsAre(77, 4));
  EXPECT_THAT(FromCache(fresh), ElementsAre(false));
  const v1::EvaluateResponse after = Ask(Request({"2"}));
  EXPECT_THAT(after.raw_values(), ElementsAre(77, 4));
  EXPECT_THAT(FromCache(after), ElementsAre(true));
}

TEST_F(ResultCacheTest, ReplicatesOfADeterministicOracleAreNotKept) {
  v1::EvaluateRequest request = Request({"1"});
  request.set_replicates(3);
  Ask(request);
  Ask(request);
  EXPECT_EQ(oracle_.TakeAsked().size(), 2u);
  EXPECT_EQ(cache_->totals().entries, 0);
}

TEST_F(ResultCacheTest, AContextIsPartOfTheKeyAndWithoutAKeyNothingIsKept) {
  v1::EvaluateRequest request = Request({"1", "1", "1"});
  request.add_contexts()->set_key("0123456789abcdef");
  request.add_contexts()->set_prompt("no key");
  for (int i = 0; i < 3; ++i) request.mutable_objects(i)->set_context(i);
  Ask(request);
  EXPECT_EQ(cache_->totals().entries, 2);
  const v1::EvaluateResponse out = Ask(request);
  EXPECT_THAT(FromCache(out), ElementsAre(true, true, false));
}

TEST_F(ResultCacheTest, AnotherFingerprintThatIsAllowedMakesEverythingNew) {
  ResultCacheOptions options;
  options.allow_fingerprint_change = true;
  Make(options);
  Ask(Request({"1", "2"}));
  oracle_.fingerprint = "numbers/2";
  oracle_.spoil = [](const v1::EvaluateRequest&, v1::EvaluateResponse& r) {
    for (double& value : *r.mutable_raw_values()) value += 100;
  };
  // Half of it is known under the old fingerprint, which must not be mixed in.
  const v1::EvaluateResponse out = Ask(Request({"2", "3"}));
  EXPECT_EQ(out.fingerprint(), "numbers/2");
  EXPECT_THAT(out.raw_values(), ElementsAre(102, 104, 103, 109));
  const v1::EvaluateResponse again = Ask(Request({"1"}));
  EXPECT_EQ(again.fingerprint(), "numbers/2");
  EXPECT_THAT(again.raw_values(), ElementsAre(101, 101));
  v1::EvaluateRequest old = Request({"1"});
  old.set_expected_fingerprint("numbers/1");
  EXPECT_EQ(cache_->Evaluate(old).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(ResultCacheTest, AnAnswerThatDoesNotFitIsAnErrorWorthARetryAndIsNotKept) {
  oracle_.spoil = [](const v1::EvaluateRequest&, v1::EvaluateResponse& r) {
    r.mutable_statuses()->RemoveLast();
  };
  const absl::Status status = cache_->Evaluate(Request({"1", "2"})).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("statuses: has 1 entries, expected 2"));
  oracle_.spoil = [](const v1::EvaluateRequest&, v1::EvaluateResponse& r) {
    r.set_request_id("batch-0");
  };
  EXPECT_EQ(cache_->Evaluate(Request({"1"})).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(cache_->totals().entries, 0);
}

TEST_F(ResultCacheTest, FaultsOfTheWholeRequestAreTheOraclesToName) {
  Ask(Request({"1"}));
  oracle_.TakeAsked();
  v1::EvaluateRequest nameless = Request({"1"});
  nameless.clear_request_id();
  Ask(nameless);
  v1::EvaluateRequest no_context = Request({"1"});
  no_context.mutable_objects(0)->set_context(1);
  Ask(no_context);
  EXPECT_EQ(oracle_.TakeAsked().size(), 2u);
}

TEST_F(ResultCacheTest, CostsAndCountsAreThoseOfThisRequest) {
  oracle_.spoil = [](const v1::EvaluateRequest&, v1::EvaluateResponse& r) {
    for (int i = 0; i < r.statuses_size(); ++i) {
      r.add_costs(2.5);
      r.add_raw_standard_errors(0.1);
      r.add_raw_standard_errors(0.2);
    }
  };
  Ask(Request({"1"}));
  const v1::EvaluateResponse out = Ask(Request({"1", "2"}));
  EXPECT_THAT(out.costs(), ElementsAre(0, 2.5));
  EXPECT_THAT(out.raw_standard_errors(), ElementsAre(0.1, 0.2, 0.1, 0.2));
}

TEST_F(ResultCacheTest, EveryAnswerCarriesTheBudgetThatIsReadForIt) {
  ResultCacheOptions options;
  options.read_budget = [] {
    v1::RewardBudget budget;
    budget.set_evaluations_used(7);
    return budget;
  };
  Make(options);
  EXPECT_EQ(Ask(Request({"1"})).budget().evaluations_used(), 7u);
  EXPECT_EQ(Ask(Request({"1"})).budget().evaluations_used(), 7u);  // From the cache too.
}

TEST_F(ResultCacheTest, OptionsNameWhatIsWrong) {
  ResultCacheOptions options;
  const auto error = [&] {
    return std::string(
        ResultCache::Create(oracle_, options, nullptr, NullLog()).status().message());
  };
  EXPECT_THAT(error(), HasSubstr("oracle: is empty"));
  options.oracle = "numbers";
  options.max_noisy_evaluations = 0;
  EXPECT_THAT(error(), HasSubstr("max_noisy_evaluations: is 0"));
  options.max_noisy_evaluations = 1;
  options.memory.max_entries = 1;
  EXPECT_THAT(error(), HasSubstr("max_entries: is 1"));
  options.keeps_results = false;
  EXPECT_EQ(error(), "");
}

TEST_F(ResultCacheTest, ManyThreadsAlwaysGetTheTruth) {
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 300; ++i) {
        const int a = (i * 7 + t) % 50, b = (i * 3) % 50;
        const auto out = cache_->Evaluate(Request({std::to_string(a), std::to_string(b)}));
        if (!out.ok() || out->raw_values(0) != a || out->raw_values(1) != a * a ||
            out->raw_values(2) != b) {
          ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(cache_->totals().entries, 50);
  const ResultCache::Totals totals = cache_->totals();
  EXPECT_EQ(totals.hits + totals.coalesced + totals.misses, 2400);
  EXPECT_EQ(totals.misses, 50);  // Nothing was asked twice.
  size_t asked = 0;
  for (const auto& request : oracle_.TakeAsked()) asked += request.size();
  EXPECT_EQ(asked, 50u);
}

std::shared_ptr<const ObjectResult> Result(double value) {
  auto result = std::make_shared<ObjectResult>();
  result->status = v1::OBJECT_STATUS_OK;
  result->values = {value};
  result->valid = {1};
  return result;
}

TEST(ResultStore, NeverHoldsMoreEntriesThanItMay) {
  for (const int64_t most : {2, 10, 1000}) {
    ResultStore store({.max_entries = most, .max_bytes = 1 << 20});
    for (int i = 0; i < 3000; ++i) {
      store.Put(ResultKey(absl::StrCat("key ", i)), Result(i));
      ASSERT_LE(store.totals().entries, most);
    }
    EXPECT_EQ(store.totals().entries + store.totals().evictions, 3000);
  }
}

TEST(ResultStore, NeverHoldsMoreBytesThanItMay) {
  ResultStore store({.max_entries = 1000, .max_bytes = 65536});
  for (int i = 0; i < 500; ++i) {
    store.Put(ResultKey(absl::StrCat(std::string(100 + i % 50, 'x'), i)), Result(i));
    EXPECT_LE(store.totals().bytes, 65536);
  }
  EXPECT_GT(store.totals().bytes, 65536 / 8);
  const ResultStore::Totals before = store.totals();
  store.Put(ResultKey(std::string(70'000, 'y')), Result(1));
  EXPECT_EQ(store.totals().entries, before.entries);
}

TEST(ResultStore, WhatIsUsedStaysAndWhatIsNotGoes) {
  ResultStore store({.max_entries = 20, .max_bytes = 1 << 20});
  store.Put(ResultKey("used"), Result(1));
  store.Put(ResultKey("unused"), Result(2));
  for (int i = 0; i < 100; ++i) {
    store.Put(ResultKey(absl::StrCat("other ", i)), Result(i));
    ASSERT_NE(store.Find(ResultKey("used")), nullptr) << i;
  }
  EXPECT_EQ(store.Find(ResultKey("unused")), nullptr);
  EXPECT_EQ(store.Find(ResultKey("used"))->values[0], 1);
}

TEST(ResultStore, AResultThatIsPutAgainReplacesTheOldOne) {
  ResultStore store({.max_entries = 4, .max_bytes = 1 << 20});
  store.Put(ResultKey("a"), Result(1));
  store.Put(ResultKey("b"), Result(1));
  store.Put(ResultKey("c"), Result(1));  // "a" and "b" are the old generation now.
  store.Put(ResultKey("a"), Result(2));
  EXPECT_EQ(store.Find(ResultKey("a"))->values[0], 2);
  EXPECT_EQ(store.totals().entries, 3);
}

TEST(ResultStore, OptionsNameWhatIsWrong) {
  EXPECT_TRUE(ResultStoreOptions().Validate().ok());
  EXPECT_THAT(std::string(ResultStoreOptions{.max_entries = 1}.Validate().message()),
              HasSubstr("max_entries: is 1"));
}

}  // namespace
}  // namespace anabranch
