// Of equal objects the oracle sees one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "reward/cache/result_cache.h"
#include "runtime/error_reason.h"
#include "tests/reward/number_oracle.h"

namespace anabranch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Lets a request wait at the oracle until the test says so.
class HeldOracle final : public RewardClient {
 public:
  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override {
    return numbers.Describe(request);
  }
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override {
    {
      absl::MutexLock lock(&mu_);
      ++arrived_;
      const auto passes = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return passing_ > 0; };
      mu_.Await(absl::Condition(&passes));
      --passing_;
    }
    return numbers.Evaluate(request);
  }
  void AwaitArrived(int requests) {
    absl::MutexLock lock(&mu_);
    const auto arrived = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return arrived_ >= requests; };
    mu_.Await(absl::Condition(&arrived));
  }
  void Pass(int requests) {
    absl::MutexLock lock(&mu_);
    passing_ += requests;
  }

  NumberOracle numbers;

 private:
  absl::Mutex mu_;
  int arrived_ ABSL_GUARDED_BY(mu_) = 0;
  int passing_ ABSL_GUARDED_BY(mu_) = 0;
};

// An answer that is being waited for.
class Asking {
 public:
  Asking(RewardClient& client, v1::EvaluateRequest request)
      : thread_([this, &client, request] { answer_ = client.Evaluate(request); }) {}
  ~Asking() {
    if (thread_.joinable()) thread_.join();
  }
  const absl::StatusOr<v1::EvaluateResponse>& Wait() {
    if (thread_.joinable()) thread_.join();
    return answer_;
  }

 private:
  absl::StatusOr<v1::EvaluateResponse> answer_;
  std::thread thread_;
};

class ResultSharingTest : public testing::Test {
 protected:
  ResultSharingTest() { Make({}); }
  void Make(ResultCacheOptions options) {
    options.oracle = "numbers";
    cache_ = *ResultCache::Create(oracle_, options, nullptr, NullLog());
    ASSERT_TRUE(cache_->Describe({}).ok());
  }

  HeldOracle oracle_;
  std::unique_ptr<ResultCache> cache_;
};

TEST_F(ResultSharingTest, ObjectsThatOneRequestRepeatsAreAskedForOnce) {
  oracle_.Pass(1);
  const auto out = cache_->Evaluate(Request({"1", "2", "1", "1", "3", "2"}));
  ASSERT_TRUE(out.ok()) << out.status();
  EXPECT_THAT(oracle_.numbers.TakeAsked(), ElementsAre(ElementsAre("1", "2", "3")));
  EXPECT_THAT(out->raw_values(), ElementsAre(1, 1, 2, 4, 1, 1, 1, 1, 3, 9, 2, 4));
  EXPECT_THAT(out->from_cache(), ElementsAre(false, false, true, true, false, true));
  EXPECT_EQ(cache_->totals().misses, 3);
  EXPECT_EQ(cache_->totals().coalesced, 3);
  EXPECT_EQ(cache_->totals().hits, 0);
}

// Nothing tells that a request waits for another's, so the second is sure to only when it has asked
// for something of its own beside.
TEST_F(ResultSharingTest, ConcurrentRequestsShareWhatTheyHaveInCommonAndNeverWaitForEachOther) {
  Asking first(*cache_, Request({"1", "2"}));
  oracle_.AwaitArrived(1);
  Asking second(*cache_, Request({"2", "3"}));
  oracle_.AwaitArrived(2);
  Asking third(*cache_, Request({"3", "1", "4"}));
  oracle_.AwaitArrived(3);
  oracle_.Pass(3);
  EXPECT_THAT(first.Wait()->raw_values(), ElementsAre(1, 1, 2, 4));
  EXPECT_THAT(second.Wait()->raw_values(), ElementsAre(2, 4, 3, 9));
  EXPECT_THAT(third.Wait()->raw_values(), ElementsAre(3, 9, 1, 1, 4, 16));
  EXPECT_THAT(
      oracle_.numbers.TakeAsked(),
      testing::UnorderedElementsAre(ElementsAre("1", "2"), ElementsAre("3"), ElementsAre("4")));
  EXPECT_EQ(cache_->totals().coalesced, 3);
  EXPECT_EQ(cache_->totals().misses, 4);
}

TEST_F(ResultSharingTest, AFailedRequestFailsThoseThatWaitForItsObjectsWithTheSameStatus) {
  oracle_.numbers.fails =
      WithReason(absl::ResourceExhaustedError("too much"), kReasonOverloaded, {{"a", "b"}});
  Asking first(*cache_, Request({"1"}));
  oracle_.AwaitArrived(1);
  Asking second(*cache_, Request({"2", "1"}));
  oracle_.AwaitArrived(2);
  oracle_.Pass(2);
  EXPECT_EQ(first.Wait().status(), oracle_.numbers.fails);
  EXPECT_EQ(second.Wait().status(), oracle_.numbers.fails);
  oracle_.numbers.fails = absl::OkStatus();
  oracle_.Pass(1);
  EXPECT_TRUE(cache_->Evaluate(Request({"1", "2"})).ok());  // Nothing is stuck.
}

TEST_F(ResultSharingTest, ObjectsThatFailedForNowAreTheWaitersTooWithTheirTimes) {
  oracle_.numbers.spoil = [](const v1::EvaluateRequest&, v1::EvaluateResponse& r) {
    for (int i = 0; i < r.statuses_size(); ++i) {
      r.set_statuses(i, i == 0 ? v1::OBJECT_STATUS_RETRYABLE : v1::OBJECT_STATUS_FAILED);
      r.add_retry_after_millis(i == 0 ? 700 : 0);
      r.add_reasons("busy");
    }
  };
  Asking first(*cache_, Request({"1", "2"}));
  oracle_.AwaitArrived(1);
  Asking second(*cache_, Request({"9", "2", "1"}));
  oracle_.AwaitArrived(2);
  oracle_.Pass(2);
  ASSERT_TRUE(second.Wait().ok());
  EXPECT_THAT(second.Wait()->statuses(),
              ElementsAre(v1::OBJECT_STATUS_RETRYABLE, v1::OBJECT_STATUS_FAILED,
                          v1::OBJECT_STATUS_RETRYABLE));
  EXPECT_THAT(second.Wait()->retry_after_millis(), ElementsAre(700, 0, 700));
  EXPECT_THAT(second.Wait()->reasons(), ElementsAre("busy", "busy", "busy"));
  ASSERT_TRUE(first.Wait().ok());
  oracle_.numbers.TakeAsked();
  oracle_.Pass(1);
  EXPECT_TRUE(cache_->Evaluate(Request({"1", "2"})).ok());
  EXPECT_THAT(oracle_.numbers.TakeAsked(), ElementsAre(ElementsAre("1", "2")));
}

TEST_F(ResultSharingTest, BypassSharesNothing) {
  v1::EvaluateRequest bypass = Request({"1", "1"});
  bypass.set_bypass_cache(true);
  oracle_.Pass(1);
  ASSERT_TRUE(cache_->Evaluate(bypass).ok());
  EXPECT_THAT(oracle_.numbers.TakeAsked(), ElementsAre(ElementsAre("1", "1")));
}

TEST_F(ResultSharingTest, WithoutResultsKeptEqualObjectsAreStillAskedForOnce) {
  ResultCacheOptions options;
  options.keeps_results = false;
  Make(options);
  oracle_.Pass(2);
  ASSERT_TRUE(cache_->Evaluate(Request({"1", "1"})).ok());
  ASSERT_TRUE(cache_->Evaluate(Request({"1"})).ok());
  EXPECT_THAT(oracle_.numbers.TakeAsked(), ElementsAre(ElementsAre("1"), ElementsAre("1")));
  EXPECT_EQ(cache_->totals().entries, 0);
}

TEST_F(ResultSharingTest, AnotherFingerprintInAnAnswerStopsAllWhoWaitAndTheRequestsAfter) {
  oracle_.Pass(1);
  ASSERT_TRUE(cache_->Evaluate(Request({"1"})).ok());
  Asking first(*cache_, Request({"2"}));
  oracle_.AwaitArrived(2);
  Asking second(*cache_, Request({"3", "2"}));
  oracle_.AwaitArrived(3);
  oracle_.numbers.fingerprint = "numbers/2";
  oracle_.Pass(2);
  for (const absl::Status& status :
       {first.Wait().status(), second.Wait().status(), cache_->Evaluate(Request({"1"})).status(),
        cache_->Describe({}).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_EQ(ReasonOf(status), kReasonFingerprintChanged);
    for (const char* part : {"numbers/1", "numbers/2", "reward.allow_fingerprint_change"}) {
      EXPECT_THAT(std::string(status.message()), HasSubstr(part));
    }
  }
  oracle_.numbers.fingerprint = "numbers/1";  // The first one is welcome again.
  EXPECT_TRUE(cache_->Evaluate(Request({"1"})).ok());
}

TEST_F(ResultSharingTest, WhoWaitsWhileAnAllowedFingerprintArrivesGetsItsValues) {
  ResultCacheOptions options;
  options.allow_fingerprint_change = true;
  Make(options);
  oracle_.Pass(1);
  ASSERT_TRUE(cache_->Evaluate(Request({"1"})).ok());
  Asking first(*cache_, Request({"1", "2"}));
  oracle_.AwaitArrived(2);
  Asking second(*cache_, Request({"3", "2"}));
  oracle_.AwaitArrived(3);
  oracle_.numbers.TakeAsked();
  oracle_.numbers.fingerprint = "numbers/2";
  oracle_.numbers.spoil = [](const v1::EvaluateRequest&, v1::EvaluateResponse& r) {
    for (double& value : *r.mutable_raw_values()) value += 100;
  };
  oracle_.Pass(10);
  ASSERT_TRUE(first.Wait().ok()) << first.Wait().status();
  ASSERT_TRUE(second.Wait().ok()) << second.Wait().status();
  EXPECT_EQ(first.Wait()->fingerprint(), "numbers/2");
  EXPECT_EQ(second.Wait()->fingerprint(), "numbers/2");
  EXPECT_THAT(first.Wait()->raw_values(), ElementsAre(101, 101, 102, 104));
  EXPECT_THAT(second.Wait()->raw_values(), ElementsAre(103, 109, 102, 104));
  // "2", "3", and "1" anew; what the new one said already isn't asked again, unless the second
  // began anew before the first had kept "2".
  size_t asked = 0;
  for (const auto& request : oracle_.numbers.TakeAsked()) asked += request.size();
  EXPECT_GE(asked, 3u);
  EXPECT_LE(asked, 4u);
}

TEST_F(ResultSharingTest, AnExpectedFingerprintThatIsNotTheOraclesIsRefusedNamingBoth) {
  v1::EvaluateRequest request = Request({"1"});
  request.set_expected_fingerprint("numbers/0");
  const absl::Status status = cache_->Evaluate(request).status();
  EXPECT_EQ(ReasonOf(status), kReasonFingerprintChanged) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("numbers/0"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("numbers/1"));
}

// Of an oracle that varies: each evaluation of an object gives the next of these.
class NoisyResultTest : public testing::Test {
 protected:
  void Make(uint32_t evaluations) {
    oracle_.deterministic = false;
    oracle_.spoil = [this](const v1::EvaluateRequest&, v1::EvaluateResponse& r) {
      for (double& value : *r.mutable_raw_values()) value = next_;
      next_ *= 2;
    };
    ResultCacheOptions options;
    options.oracle = "numbers";
    options.max_noisy_evaluations = evaluations;
    cache_ = *ResultCache::Create(oracle_, options, nullptr, NullLog());
  }
  v1::EvaluateResponse Ask(v1::EvaluateRequest request, bool bypass = false) {
    request.add_objectives("size");
    request.set_bypass_cache(bypass);
    auto out = cache_->Evaluate(request);
    EXPECT_TRUE(out.ok()) << out.status();
    return out.ok() ? *out : v1::EvaluateResponse();
  }

  double next_ = 1;
  NumberOracle oracle_;
  std::unique_ptr<ResultCache> cache_;
};

TEST_F(NoisyResultTest, TheMeanOfSoManyEvaluationsAnswersAndTellsItsError) {
  Make(3);
  EXPECT_THAT(Ask(Request({"5"})).raw_values(), ElementsAre(1));
  const v1::EvaluateResponse second = Ask(Request({"5"}));
  EXPECT_THAT(second.raw_values(), ElementsAre(1.5));  // Of 1 and 2.
  EXPECT_THAT(second.evaluation_counts(), ElementsAre(2));
  EXPECT_THAT(second.raw_standard_errors(), ElementsAre(testing::DoubleEq(0.5)));
  Ask(Request({"5"}));
  EXPECT_EQ(oracle_.TakeAsked().size(), 3u);
  const v1::EvaluateResponse kept = Ask(Request({"5"}));
  EXPECT_TRUE(oracle_.TakeAsked().empty());
  EXPECT_THAT(kept.from_cache(), ElementsAre(true));
  EXPECT_THAT(kept.evaluation_counts(), ElementsAre(3));
  // Of 1, 2 and 4: deviations −4/3, −1/3, 5/3, whose squares sum to 42/9.
  EXPECT_THAT(kept.raw_values(), ElementsAre(testing::DoubleEq(7.0 / 3)));
  EXPECT_THAT(kept.raw_standard_errors(), ElementsAre(testing::DoubleEq(std::sqrt(42.0 / 54))));
}

TEST_F(NoisyResultTest, BypassTellsTheFreshValueAndUpdatesTheMean) {
  Make(1);
  Ask(Request({"5"}));
  EXPECT_THAT(Ask(Request({"5"}), true).raw_values(), ElementsAre(2));
  const v1::EvaluateResponse kept = Ask(Request({"5"}));
  EXPECT_THAT(kept.raw_values(), ElementsAre(1.5));
  EXPECT_THAT(kept.evaluation_counts(), ElementsAre(2));
  EXPECT_EQ(oracle_.TakeAsked().size(), 2u);
}

TEST_F(NoisyResultTest, ReplicatesOfTheOracleCountAsSoManyEvaluations) {
  Make(1);
  Ask(Request({"5"}));  // 1
  oracle_.spoil = [](const v1::EvaluateRequest&, v1::EvaluateResponse& r) {
    r.set_raw_values(0, 4);  // The mean of 3, 4 and 5.
    r.add_raw_standard_errors(std::sqrt(1.0 / 3));
    r.add_evaluation_counts(3);
  };
  v1::EvaluateRequest request = Request({"5"});
  request.set_replicates(3);
  const v1::EvaluateResponse out = Ask(request);
  EXPECT_THAT(out.raw_values(), ElementsAre(testing::DoubleEq(13.0 / 4)));
  EXPECT_THAT(out.evaluation_counts(), ElementsAre(4));
  // 1, 3, 4 and 5 about 3.25: squares sum to 8.75.
  EXPECT_THAT(out.raw_standard_errors(), ElementsAre(testing::DoubleEq(std::sqrt(8.75 / 12))));
  oracle_.TakeAsked();
  EXPECT_THAT(Ask(request).from_cache(), ElementsAre(true));  // Four are enough for three.
  EXPECT_TRUE(oracle_.TakeAsked().empty());
}

}  // namespace
}  // namespace anabranch
