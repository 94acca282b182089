// What a cache remembers beyond its process: results, tickets, the oracle's fingerprint.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "reward/cache/result_cache.h"
#include "runtime/error_reason.h"
#include "tests/reward/number_oracle.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The real one, with a disk that can fail.
class FailingStore final : public KeyValueStore {
 public:
  explicit FailingStore(std::unique_ptr<KeyValueStore> store) : store_(std::move(store)) {}
  absl::StatusOr<bool> Get(absl::string_view key, std::string& value) override {
    return store_->Get(key, value);
  }
  absl::Status GetMany(const std::vector<std::string>& keys, std::vector<std::string>& values,
                       std::vector<char>& found) override {
    return fails ? Error() : store_->GetMany(keys, values, found);
  }
  absl::Status Write(const KeyValueBatch& batch, bool sync) override {
    ++writes;
    return fails ? Error() : store_->Write(batch, sync);
  }
  absl::Status Scan(absl::string_view prefix,
                    absl::FunctionRef<bool(absl::string_view, absl::string_view)> visit) override {
    return store_->Scan(prefix, visit);
  }

  std::atomic<bool> fails = false;
  std::atomic<int> writes = 0;

 private:
  static absl::Status Error() {
    return WithReason(absl::ResourceExhaustedError("no space"), kReasonDiskFull);
  }
  const std::unique_ptr<KeyValueStore> store_;
};

class ResultKeepingTest : public testing::Test {
 protected:
  ResultKeepingTest() {
    options_.oracle = "numbers";
    options_.now = [this] { return now_; };
    EXPECT_TRUE(Restart().ok());
  }
  // As a new process: nothing is left but the directory.
  absl::Status Restart() {
    cache_.reset();
    store_.reset();
    auto store = OpenStore(directory_.Path("state"));
    if (!store.ok()) return store.status();
    store_ = std::make_unique<FailingStore>(*std::move(store));
    auto cache = ResultCache::Create(oracle_, options_, store_.get(), NullLog());
    if (!cache.ok()) return cache.status();
    cache_ = *std::move(cache);
    return absl::OkStatus();
  }
  v1::EvaluateResponse Ask(const v1::EvaluateRequest& request) {
    auto response = cache_->Evaluate(request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? *response : v1::EvaluateResponse();
  }
  // The lab takes an object whose number is at least 100, under a ticket of its own.
  void BeALab() {
    oracle_.spoil = [](const v1::EvaluateRequest& request, v1::EvaluateResponse& r) {
      for (int i = 0; i < r.statuses_size(); ++i) {
        r.add_tickets();
        r.add_retry_after_millis(0);
        if (std::stoi(request.objects(i).inline_()) < 100) continue;
        r.set_statuses(i, v1::OBJECT_STATUS_PENDING);
        r.set_tickets(i, "lab-" + request.objects(i).inline_());
        r.set_retry_after_millis(i, 60'000);
      }
    };
  }
  // Tickets in the requests that the oracle saw since the last time.
  std::vector<std::string> TakeTickets() {
    std::vector<std::string> tickets;
    for (const v1::EvaluateRequest& request : oracle_.TakeRequests()) {
      for (const v1::RewardObject& object : request.objects()) tickets.push_back(object.ticket());
    }
    return tickets;
  }

  TemporaryDirectory directory_;
  absl::Time now_ = absl::FromUnixSeconds(1'000'000);
  NumberOracle oracle_;
  ResultCacheOptions options_;
  std::unique_ptr<FailingStore> store_;
  std::unique_ptr<ResultCache> cache_;
};

TEST_F(ResultKeepingTest, ResultsOutliveTheProcessAndInvalidOnesToo) {
  oracle_.spoil = [](const v1::EvaluateRequest&, v1::EvaluateResponse& r) {
    r.set_statuses(1, v1::OBJECT_STATUS_INVALID);
    for (const char* reason : {"", "no number", ""}) r.add_reasons(reason);
    for (const bool valid : {true, false, true, true, true, true}) r.add_raw_value_valid(valid);
    r.set_statuses(2, v1::OBJECT_STATUS_FAILED);
  };
  Ask(Request({"1", "2", "3"}));
  oracle_.TakeAsked();
  oracle_.spoil = nullptr;
  ASSERT_TRUE(Restart().ok());
  const v1::EvaluateResponse out = Ask(Request({"1", "2", "3"}));
  EXPECT_THAT(oracle_.TakeAsked(), ElementsAre(ElementsAre("3")));
  EXPECT_THAT(out.statuses(),
              ElementsAre(v1::OBJECT_STATUS_OK, v1::OBJECT_STATUS_INVALID, v1::OBJECT_STATUS_OK));
  EXPECT_THAT(out.reasons(), ElementsAre("", "no number", ""));
  EXPECT_EQ(out.raw_values(0), 1);
  EXPECT_TRUE(out.raw_value_valid(0));
  EXPECT_FALSE(out.raw_value_valid(1));
  EXPECT_EQ(cache_->totals().durable_hits, 2);
  Ask(Request({"1"}));
  EXPECT_EQ(cache_->totals().hits, 3);
  EXPECT_EQ(cache_->totals().durable_hits, 2);  // In memory since.
}

TEST_F(ResultKeepingTest, WhatMemoryHasForgottenTheDiskRemembers) {
  options_.memory.max_entries = 2;
  ASSERT_TRUE(Restart().ok());
  for (int i = 0; i < 20; ++i) Ask(Request({std::to_string(i)}));
  oracle_.TakeAsked();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Ask(Request({std::to_string(i)})).raw_values(0), i);
  EXPECT_THAT(oracle_.TakeAsked(), IsEmpty());
}

TEST_F(ResultKeepingTest, ACheapOraclesResultsStayInMemory) {
  options_.durable_results = false;
  ASSERT_TRUE(Restart().ok());
  Ask(Request({"1"}));
  ASSERT_TRUE(Restart().ok());
  oracle_.TakeAsked();
  Ask(Request({"1"}));
  EXPECT_THAT(oracle_.TakeAsked(), ElementsAre(ElementsAre("1")));
}

TEST_F(ResultKeepingTest, OneAnswerIsOneWrite) {
  ASSERT_TRUE(cache_->Describe({}).ok());
  store_->writes = 0;
  Ask(Request({"1", "2", "3", "4"}));
  EXPECT_EQ(store_->writes, 1);
}

TEST_F(ResultKeepingTest, ADiskThatFailsNeverFailsAnEvaluation) {
  Ask(Request({"1"}));
  ASSERT_TRUE(Restart().ok());
  store_->fails = true;
  EXPECT_THAT(Ask(Request({"1", "2"})).raw_values(), ElementsAre(1, 1, 2, 4));
  BeALab();
  EXPECT_THAT(Ask(Request({"100"})).statuses(), ElementsAre(v1::OBJECT_STATUS_PENDING));
  EXPECT_EQ(cache_->totals().pending, 1);
}

TEST_F(ResultKeepingTest, MeansOutliveTheProcess) {
  oracle_.deterministic = false;
  options_.max_noisy_evaluations = 2;
  ASSERT_TRUE(Restart().ok());
  Ask(Request({"2"}));
  ASSERT_TRUE(Restart().ok());
  oracle_.spoil = [](const v1::EvaluateRequest&, v1::EvaluateResponse& r) {
    r.set_raw_values(0, 4);
    r.set_raw_values(1, 4);
  };
  const v1::EvaluateResponse out = Ask(Request({"2"}));
  EXPECT_THAT(out.raw_values(), ElementsAre(3, 4));
  EXPECT_THAT(out.evaluation_counts(), ElementsAre(2));
  ASSERT_TRUE(Restart().ok());
  oracle_.TakeAsked();
  const v1::EvaluateResponse kept = Ask(Request({"2"}));
  EXPECT_THAT(oracle_.TakeAsked(), IsEmpty());
  EXPECT_THAT(kept.raw_standard_errors(), ElementsAre(1, 0));
}

TEST_F(ResultKeepingTest, AnotherFingerprintAfterARestartIsRefusedOrAdoptedAndThenTheOne) {
  Ask(Request({"1"}));
  oracle_.fingerprint = "numbers/2";
  ASSERT_TRUE(Restart().ok());
  const absl::Status refused = cache_->Evaluate(Request({"1"})).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(refused), kReasonFingerprintChanged);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("numbers/1"));
  options_.allow_fingerprint_change = true;
  ASSERT_TRUE(Restart().ok());
  oracle_.TakeAsked();
  EXPECT_EQ(Ask(Request({"1"})).fingerprint(), "numbers/2");
  EXPECT_THAT(oracle_.TakeAsked(), ElementsAre(ElementsAre("1")));
  options_.allow_fingerprint_change = false;
  ASSERT_TRUE(Restart().ok());
  EXPECT_EQ(Ask(Request({"1"})).fingerprint(), "numbers/2");
}

TEST_F(ResultKeepingTest, APendingObjectIsAskedForAgainByTheOraclesTicketWhenItsTimeHasCome) {
  BeALab();
  const v1::EvaluateRequest request = Request({"1", "100"});
  const std::string ticket = TicketOf(request, request.objects(1));
  EXPECT_EQ(ticket.size(), 32u);
  const v1::EvaluateResponse first = Ask(request);
  EXPECT_THAT(first.statuses(), ElementsAre(v1::OBJECT_STATUS_OK, v1::OBJECT_STATUS_PENDING));
  EXPECT_THAT(first.tickets(), ElementsAre("", ticket));
  EXPECT_THAT(first.retry_after_millis(), ElementsAre(0, 60'000));
  EXPECT_THAT(TakeTickets(), ElementsAre("", ""));
  now_ += absl::Seconds(20);
  const v1::EvaluateResponse early = Ask(request);  // Whether it names the ticket or not.
  EXPECT_THAT(early.statuses(), ElementsAre(v1::OBJECT_STATUS_OK, v1::OBJECT_STATUS_PENDING));
  EXPECT_THAT(early.tickets(), ElementsAre("", ticket));
  EXPECT_NEAR(static_cast<double>(early.retry_after_millis(1)), 40'000, 2);
  EXPECT_THAT(TakeTickets(), IsEmpty());
  EXPECT_EQ(cache_->totals().waiting, 1);
  EXPECT_EQ(cache_->totals().oldest_pending, absl::FromUnixSeconds(1'000'000));
  now_ += absl::Seconds(40);
  oracle_.spoil = nullptr;
  v1::EvaluateRequest poll = Request({"100"});
  poll.mutable_objects(0)->set_ticket(ticket);
  EXPECT_THAT(Ask(poll).raw_values(), ElementsAre(100, 10'000));
  EXPECT_THAT(TakeTickets(), ElementsAre("lab-100"));
  EXPECT_EQ(cache_->totals().pending, 0);
  EXPECT_THAT(Ask(poll).from_cache(), ElementsAre(true));
}

TEST_F(ResultKeepingTest, PendingObjectsSurviveARestartWithTicketsAndTimes) {
  BeALab();
  Ask(Request({"100", "101"}));
  TakeTickets();
  ASSERT_TRUE(Restart().ok());
  EXPECT_EQ(cache_->totals().pending, 2);
  EXPECT_EQ(cache_->totals().oldest_pending, absl::FromUnixSeconds(1'000'000));
  EXPECT_THAT(cache_->UpstreamTickets(), testing::UnorderedElementsAre("lab-100", "lab-101"));
  EXPECT_EQ(Ask(Request({"100"})).statuses(0), v1::OBJECT_STATUS_PENDING);
  EXPECT_THAT(TakeTickets(), IsEmpty());
  now_ += absl::Minutes(2);
  EXPECT_EQ(Ask(Request({"100"})).statuses(0), v1::OBJECT_STATUS_PENDING);  // Not ready yet.
  EXPECT_THAT(TakeTickets(), ElementsAre("lab-100"));
  EXPECT_EQ(Ask(Request({"100"})).statuses(0), v1::OBJECT_STATUS_PENDING);
  EXPECT_THAT(TakeTickets(), IsEmpty());  // It said when to ask again.
  EXPECT_EQ(cache_->totals().oldest_pending, absl::FromUnixSeconds(1'000'000));
  ASSERT_TRUE(Restart().ok());
  now_ += absl::Minutes(2);
  oracle_.spoil = nullptr;
  EXPECT_THAT(Ask(Request({"100", "101"})).raw_values(), ElementsAre(100, 10000, 101, 10201));
  ASSERT_TRUE(Restart().ok());
  EXPECT_EQ(cache_->totals().pending, 0);
}

TEST_F(ResultKeepingTest, EveryPollHasARequestIdOfItsOwn) {
  BeALab();
  for (int i = 0; i < 3; ++i) {
    Ask(Request({"100"}));
    now_ += absl::Minutes(2);
  }
  oracle_.TakeAsked();
  const std::vector<std::string> ids = oracle_.last_ids();
  ASSERT_EQ(ids.size(), 3u);
  EXPECT_NE(ids[0], ids[1]);
  EXPECT_NE(ids[1], ids[2]);
}

TEST_F(ResultKeepingTest, APollWithoutTheObjectFindsItAlsoAfterItWasAnswered) {
  BeALab();
  v1::EvaluateRequest request = Request({"100"});
  request.add_contexts()->set_key("0123456789abcdef");
  request.mutable_objects(0)->set_context(1);
  v1::EvaluateRequest poll;
  poll.set_request_id("poll");
  poll.set_format("number");
  poll.add_objects()->set_ticket(Ask(request).tickets(0));
  TakeTickets();
  now_ += absl::Minutes(2);
  ASSERT_TRUE(Restart().ok());
  oracle_.spoil = nullptr;
  const v1::EvaluateResponse out = Ask(poll);
  EXPECT_THAT(out.raw_values(), ElementsAre(100, 10'000));
  EXPECT_EQ(out.request_id(), "poll");
  const std::vector<v1::EvaluateRequest> seen = oracle_.TakeRequests();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].objects(0).inline_(), "100");
  EXPECT_EQ(seen[0].objects(0).ticket(), "lab-100");
  EXPECT_EQ(seen[0].contexts(0).key(), "0123456789abcdef");
  EXPECT_THAT(Ask(poll).from_cache(), ElementsAre(true));
  EXPECT_THAT(Ask(request).from_cache(), ElementsAre(true));
}

TEST_F(ResultKeepingTest, AnUnknownTicketFailsWithoutTheObjectAndIsAskedAnewWithIt) {
  v1::EvaluateRequest request = Request({"1", "2"});
  request.mutable_objects(0)->set_ticket("nobody's");
  request.mutable_objects(1)->clear_inline_();
  request.mutable_objects(1)->set_ticket("nobody's");
  const v1::EvaluateResponse out = Ask(request);
  EXPECT_THAT(out.statuses(), ElementsAre(v1::OBJECT_STATUS_OK, v1::OBJECT_STATUS_FAILED));
  EXPECT_THAT(out.reasons(1), HasSubstr("nobody's"));
  EXPECT_THAT(TakeTickets(), ElementsAre(""));
}

TEST_F(ResultKeepingTest, APollThatFailsForNowKeepsTheTicketAndOneThatFailsForGoodDoesNot) {
  BeALab();
  Ask(Request({"100"}));
  const auto answer = [this](v1::ObjectStatus status) {
    oracle_.spoil = [status](const v1::EvaluateRequest&, v1::EvaluateResponse& r) {
      r.set_statuses(0, status);
    };
    now_ += absl::Minutes(2);
    TakeTickets();
    EXPECT_EQ(Ask(Request({"100"})).statuses(0), status);
    return TakeTickets();
  };
  EXPECT_THAT(answer(v1::OBJECT_STATUS_RETRYABLE), ElementsAre("lab-100"));
  EXPECT_THAT(answer(v1::OBJECT_STATUS_FAILED), ElementsAre("lab-100"));
  EXPECT_EQ(cache_->totals().pending, 0);
  EXPECT_THAT(answer(v1::OBJECT_STATUS_FAILED), ElementsAre(""));
}

TEST_F(ResultKeepingTest, TicketsNameFormatContextAndObject) {
  v1::EvaluateRequest request = Request({"1", "2", "1", "1", "1"});
  request.add_contexts()->set_key("0123456789abcdef");
  request.add_contexts()->set_prompt("one");
  request.add_contexts()->set_prompt("two");
  for (int i = 2; i < 5; ++i) request.mutable_objects(i)->set_context(i - 1);
  std::vector<std::string> tickets;
  for (const v1::RewardObject& object : request.objects()) {
    tickets.push_back(TicketOf(request, object));
  }
  request.set_format("another");
  tickets.push_back(TicketOf(request, request.objects(0)));
  for (size_t i = 0; i < tickets.size(); ++i) {
    for (size_t j = 0; j < i; ++j) EXPECT_NE(tickets[i], tickets[j]) << i << " " << j;
  }
}

TEST_F(ResultKeepingTest, DamagedResultsAreAskedForAgainAndDamagedTicketsAreAnError) {
  Ask(Request({"1"}));
  std::vector<std::string> keys;
  const auto collect = [&](absl::string_view key, absl::string_view) {
    keys.emplace_back(key);
    return true;
  };
  ASSERT_TRUE(store_->Scan("result/", collect).ok());
  ASSERT_EQ(keys.size(), 1u);
  KeyValueBatch damage;
  damage.Put(keys[0], "\xff\xff");
  ASSERT_TRUE(store_->Write(damage, true).ok());
  ASSERT_TRUE(Restart().ok());
  EXPECT_THAT(Ask(Request({"1"})).raw_values(), ElementsAre(1, 1));
  KeyValueBatch worse;
  worse.Put(DiskPrefix("ticket", "numbers") + "x", "\xff\xff");
  ASSERT_TRUE(store_->Write(worse, true).ok());
  EXPECT_EQ(Restart().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace anabranch
