#include "reward/gateway/oracle_dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/barrier.h"
#include "absl/synchronization/notification.h"
#include "runtime/error_reason.h"
#include "tests/reward/gateway/scripted_oracle.h"

namespace anabranch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

OracleDispatcherOptions Options(int size, absl::Duration max_wait, int in_flight = 8) {
  OracleDispatcherOptions options;
  options.batch_objects = size;
  options.max_wait = max_wait;
  options.max_in_flight = in_flight;
  return options;
}

std::vector<std::string> Numbers(int first, int count) {
  std::vector<std::string> out;
  for (int i = 0; i < count; ++i) out.push_back(absl::StrCat(first + i));
  return out;
}

// That `answer` is the one about Numbers(first, count).
void ExpectNumbers(const absl::StatusOr<v1::EvaluateResponse>& answer, int first, int count) {
  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_EQ(answer->statuses_size(), count);
  ASSERT_EQ(answer->raw_values_size(), 2 * count);
  for (int i = 0; i < count; ++i) {
    EXPECT_EQ(answer->statuses(i), v1::OBJECT_STATUS_OK);
    EXPECT_EQ(answer->raw_values(2 * i), first + i);
    EXPECT_EQ(answer->raw_values(2 * i + 1), 2 * (first + i));
  }
}

TEST(OracleDispatcher, ARequestOfTheRightSizePassesAsItIs) {
  ScriptedOracle oracle;
  OracleDispatcher dispatcher(oracle, Options(3, absl::InfiniteDuration()));
  const v1::EvaluateRequest request = NumberRequest("mine", Numbers(1, 3));
  ExpectNumbers(dispatcher.Evaluate(request), 1, 3);
  ASSERT_EQ(oracle.requests().size(), 1u);
  EXPECT_EQ(oracle.requests()[0].SerializeAsString(), request.SerializeAsString());
}

TEST(OracleDispatcher, ALargeRequestIsSplitAndItsAnswerIsWhole) {
  ScriptedOracle oracle;
  OracleDispatcher dispatcher(oracle, Options(4, absl::Milliseconds(1)));
  const auto answer = dispatcher.Evaluate(NumberRequest("mine", Numbers(1, 11)));
  ExpectNumbers(answer, 1, 11);
  EXPECT_EQ(answer->request_id(), "mine");
  std::vector<int> sizes;
  std::set<std::string> ids;
  for (const auto& request : oracle.requests()) {
    sizes.push_back(request.objects_size());
    ids.insert(request.request_id());
  }
  std::sort(sizes.begin(), sizes.end());
  EXPECT_THAT(sizes, ElementsAre(3, 4, 4));
  EXPECT_EQ(ids.size(), 3u);
  // The same content has the same ids.
  ExpectNumbers(dispatcher.Evaluate(NumberRequest("mine", Numbers(1, 11))), 1, 11);
  for (const auto& request : oracle.requests()) ids.insert(request.request_id());
  EXPECT_EQ(ids.size(), 3u);
}

TEST(OracleDispatcher, SmallRequestsGoTogetherAndEachGetsItsOwn) {
  ScriptedOracle oracle;
  // Nothing but a full batch lets a request go.
  OracleDispatcher dispatcher(oracle, Options(12, absl::InfiniteDuration()));
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&, i] {
      const std::string id = absl::StrCat("caller-", i);
      const auto answer = dispatcher.Evaluate(NumberRequest(id, Numbers(100 * i, 3)));
      ExpectNumbers(answer, 100 * i, 3);
      EXPECT_EQ(answer->request_id(), id);
    });
  }
  for (std::thread& caller : callers) caller.join();
  ASSERT_EQ(oracle.requests().size(), 1u);
  EXPECT_EQ(oracle.requests()[0].objects_size(), 12);
}

TEST(OracleDispatcher, ALoneObjectGoesWhenItHasWaitedLongEnough) {
  ScriptedOracle oracle;
  OracleDispatcher dispatcher(oracle, Options(1000, absl::Milliseconds(2)));
  ExpectNumbers(dispatcher.Evaluate(NumberRequest("a", Numbers(5, 1))), 5, 1);
}

TEST(OracleDispatcher, WhatDoesNotAgreeIsNotJoined) {
  v1::EvaluateRequest plain = NumberRequest("a", {"1"}, {"size"});
  std::vector<v1::EvaluateRequest> others(9, plain);
  others[0].set_format("other");
  others[1].add_contexts()->set_key("0123456789abcdef");
  others[2].set_objectives(0, "area");
  others[3].set_replicates(2);
  others[4].set_bypass_cache(true);
  others[5].set_expected_fingerprint("x");
  others[6].set_run_id("x");
  others[7].set_environment_fingerprint("x");
  others[8].add_objectives("area");
  std::set<std::string> keys = {JoinKey(plain)};
  for (const auto& other : others) keys.insert(JoinKey(other));
  EXPECT_EQ(keys.size(), 10u);
  plain.set_request_id("b");
  plain.mutable_objects(0)->set_inline_("2");
  EXPECT_TRUE(keys.contains(JoinKey(plain)));
}

TEST(OracleDispatcher, TheSizeIsTheConfiguredOrTheDescribedOneAndNeverAboveTheMaximum) {
  ScriptedOracle oracle;
  const auto size = [&](int configured) {
    return OracleDispatcher(oracle, Options(configured, absl::ZeroDuration()))
        .Describe({})
        ->preferred_batch_objects();
  };
  EXPECT_EQ(size(0), 256u);
  oracle.preferred_batch = 64;
  EXPECT_EQ(size(0), 64u);
  EXPECT_EQ(size(100), 100u);
  oracle.max_batch = 32;
  EXPECT_EQ(size(0), 32u);
  EXPECT_EQ(size(100), 32u);
  EXPECT_EQ(OracleDispatcher(oracle, {}).Describe({})->max_batch_objects(), 0u);
}

TEST(OracleDispatcher, NoMoreRequestsAreUnderWayThanTheLimit) {
  ScriptedOracle oracle;
  std::atomic<int> now = 0, most = 0;
  absl::Mutex mu;
  bool go = false;
  oracle.spoil = [&](const v1::EvaluateRequest&, v1::EvaluateResponse&) {
    const int in_flight = ++now;
    for (int seen = most; seen < in_flight && !most.compare_exchange_weak(seen, in_flight);) {
    }
    absl::MutexLock lock(&mu);
    go = go || in_flight == 3;  // It does reach the limit.
    mu.Await(absl::Condition(&go));
    --now;
    return absl::OkStatus();
  };
  OracleDispatcher dispatcher(oracle, Options(2, absl::ZeroDuration(), 3));
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) {
    // Some are split, some pass as they are.
    callers.emplace_back([&, i] {
      const int n = i % 2 == 0 ? 2 : 9;
      ExpectNumbers(dispatcher.Evaluate(NumberRequest("a", Numbers(10 * i, n))), 10 * i, n);
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(most, 3);
}

TEST(OracleDispatcher, AFailureIsThatOfAllWhoWereInIt) {
  ScriptedOracle oracle;
  oracle.spoil = [&](const v1::EvaluateRequest&, v1::EvaluateResponse&) {
    return WithReason(absl::ResourceExhaustedError("busy"), kReasonOverloaded);
  };
  OracleDispatcher dispatcher(oracle, Options(4, absl::InfiniteDuration()));
  std::vector<std::thread> callers;
  for (int i = 0; i < 2; ++i) {
    callers.emplace_back([&] {
      const absl::Status status = dispatcher.Evaluate(NumberRequest("a", Numbers(1, 2))).status();
      EXPECT_EQ(ReasonOf(status), kReasonOverloaded) << status;
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(oracle.requests().size(), 1u);
}

TEST(OracleDispatcher, WhatOneBatchAnsweredCountsThoughAnotherFailedForNow) {
  ScriptedOracle oracle;
  absl::Status failure = absl::UnavailableError("restarting");
  oracle.spoil = [&](const v1::EvaluateRequest& request, v1::EvaluateResponse& answer) {
    if (request.objects(0).inline_() == "3") return failure;
    answer.add_costs(7), answer.add_costs(7);
    return absl::OkStatus();
  };
  OracleDispatcher dispatcher(oracle, Options(2, absl::ZeroDuration()));
  const auto request = NumberRequest("a", {"1", "2", "3", "4", "5", "6"}, {"size"});
  const auto answer = dispatcher.Evaluate(request);
  ASSERT_TRUE(answer.ok()) << answer.status();
  const auto ok = v1::OBJECT_STATUS_OK, retryable = v1::OBJECT_STATUS_RETRYABLE;
  EXPECT_THAT(answer->statuses(), ElementsAre(ok, ok, retryable, retryable, ok, ok));
  EXPECT_THAT(answer->raw_values(), ElementsAre(1, 2, 0, 0, 5, 6));
  EXPECT_THAT(answer->costs(), ElementsAre(7, 7, 0, 0, 7, 7));
  EXPECT_THAT(answer->reasons(2), HasSubstr("restarting"));
  EXPECT_THAT(answer->reasons(5), IsEmpty());
  failure = absl::InvalidArgumentError("never");
  EXPECT_EQ(dispatcher.Evaluate(request).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(OracleDispatcher, ManyCallersOfManySizesAllGetTheirOwnAnswer) {
  ScriptedOracle oracle;
  OracleDispatcher dispatcher(oracle, Options(16, absl::Microseconds(200), 4));
  std::vector<std::thread> callers;
  for (int i = 0; i < 16; ++i) {
    callers.emplace_back([&, i] {
      for (int k = 0; k < 40; ++k) {
        const int first = 1000 * i + 10 * k, n = 1 + (7 * i + 13 * k) % 50;
        const auto answer =
            dispatcher.Evaluate(NumberRequest(absl::StrCat(i, "-", k), Numbers(first, n)));
        ExpectNumbers(answer, first, n);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (const auto& request : oracle.requests()) EXPECT_LE(request.objects_size(), 16);
}

TEST(OracleDispatcher, CancelEndsThoseWhoWait) {
  ScriptedOracle oracle;
  absl::Notification entered, leave;
  oracle.spoil = [&](const v1::EvaluateRequest&, v1::EvaluateResponse&) {
    entered.Notify();
    leave.WaitForNotification();
    return absl::OkStatus();
  };
  OracleDispatcher dispatcher(oracle, Options(2, absl::InfiniteDuration(), 1));
  std::thread busy(
      [&] { ExpectNumbers(dispatcher.Evaluate(NumberRequest("a", Numbers(1, 2))), 1, 2); });
  entered.WaitForNotification();
  std::vector<std::thread> waiting;
  for (const int n : {1, 2, 4}) {  // Held back, passed, split: none has a turn.
    waiting.emplace_back([&, n] {
      EXPECT_EQ(dispatcher.Evaluate(NumberRequest("b", Numbers(1, n))).status().code(),
                absl::StatusCode::kCancelled);
    });
  }
  dispatcher.Cancel();
  for (std::thread& waiter : waiting) waiter.join();
  leave.Notify();
  busy.join();
  EXPECT_EQ(oracle.requests().size(), 1u);
}

TEST(OracleDispatcher, CancelEndsThoseWhoWaitThoughEveryThreadIsHeldByTheOracle) {
  ScriptedOracle oracle;
  absl::Notification entered, leave;
  oracle.spoil = [&](const v1::EvaluateRequest&, v1::EvaluateResponse&) {
    entered.Notify();
    leave.WaitForNotification();
    return absl::OkStatus();
  };
  OracleDispatcher dispatcher(oracle, Options(2, absl::Milliseconds(1), 1));
  std::thread busy(
      [&] { ExpectNumbers(dispatcher.Evaluate(NumberRequest("a", Numbers(1, 1))), 1, 1); });
  entered.WaitForNotification();
  std::thread waiting([&] {
    EXPECT_EQ(dispatcher.Evaluate(NumberRequest("b", Numbers(1, 5))).status().code(),
              absl::StatusCode::kCancelled);
  });
  dispatcher.Cancel();
  waiting.join();
  leave.Notify();
  busy.join();
}

TEST(OracleDispatcher, WhatIsFaultyAsAWholeIsTheOraclesToRefuse) {
  ScriptedOracle oracle;
  OracleDispatcher dispatcher(oracle, Options(8, absl::InfiniteDuration()));
  v1::EvaluateRequest request = NumberRequest("", {"1"});
  EXPECT_TRUE(dispatcher.Evaluate(request).ok());
  request.set_request_id("a");
  request.mutable_objects(0)->set_context(3);
  EXPECT_TRUE(dispatcher.Evaluate(request).ok());
  EXPECT_TRUE(dispatcher.Evaluate(NumberRequest("a", {})).ok());
  EXPECT_EQ(oracle.requests().size(), 3u);
}

TEST(OracleDispatcher, OptionsThatMakeNoSenseAreNamed) {
  EXPECT_THAT(std::string(Options(-1, absl::ZeroDuration()).Validate().message()),
              HasSubstr("batch_objects is -1"));
  EXPECT_THAT(std::string(Options(0, absl::Seconds(-1)).Validate().message()),
              HasSubstr("max_wait_seconds is -1"));
  EXPECT_THAT(std::string(Options(0, absl::ZeroDuration(), 0).Validate().message()),
              HasSubstr("max_in_flight is 0"));
  EXPECT_TRUE(OracleDispatcherOptions().Validate().ok());
}

}  // namespace
}  // namespace anabranch
