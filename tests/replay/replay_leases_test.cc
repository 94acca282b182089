// What the replay server promises about leases, priorities and cancelling.
#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "replay/replay_service.h"
#include "tests/replay/test_batches.h"

namespace anabranch {
namespace {

constexpr absl::Duration kHour = absl::Hours(1);

struct Fixture {
  explicit Fixture(ReplayServiceOptions options = MakeServiceOptions())
      : service(*ReplayService::Create(std::move(options))) {}

  void Insert(int n, int first) {
    const auto answer =
        service->Insert(7, MakeInsert(++sequence, MakeBatch(n, first)), absl::InfinitePast());
    ASSERT_TRUE(answer.ok()) << answer.status();
    ASSERT_EQ(answer->result(), v1::INSERT_RESULT_INSERTED) << answer->DebugString();
  }
  void Open(const v1::SampleOpening& opening) { source = *service->ResolveSampleOpening(opening); }
  // Without waiting, under a lease.
  absl::StatusOr<v1::SampledBatch> Sample(int64_t count, absl::Duration timeout = kHour) {
    return service->SampleLeased(*source.group, source.tables, count, absl::InfinitePast(), timeout,
                                 nullptr);
  }
  v1::TableInfo Table(int i = 0) const { return service->GetInfo({})->tables(i); }

  std::unique_ptr<ReplayService> service;
  SampleSource source;
  uint64_t sequence = 0;
};

std::vector<int> Numbers(const v1::SampledBatch& sampled) {
  std::vector<int> numbers;
  for (int i = 0; i < sampled.batch().lengths_size(); ++i) {
    numbers.push_back(NumberOf(sampled.batch(), i));
  }
  return numbers;
}

TEST(ReplayLeases, ReleasedLeaseComesBackFirstAndCountsOnce) {
  Fixture f;
  f.Open(MakeSampleOpening(3));
  f.Insert(6, 0);
  const v1::SampledBatch first = *f.Sample(3);
  EXPECT_NE(first.lease_id(), 0u);
  EXPECT_EQ(f.Table().leased(), 3u);
  EXPECT_EQ(f.service->outstanding_leases(), 1);
  f.service->Release({{first.lease_id()}});
  EXPECT_EQ(f.Table().samples(), 0u);
  const v1::SampledBatch again = *f.Sample(3);
  EXPECT_NE(again.lease_id(), first.lease_id());
  EXPECT_EQ(again.batch().SerializeAsString(), first.batch().SerializeAsString());
  EXPECT_EQ(std::vector<uint64_t>(again.item_keys().begin(), again.item_keys().end()),
            std::vector<uint64_t>(first.item_keys().begin(), first.item_keys().end()));
  EXPECT_EQ(again.times_sampled(0), 1u);
  EXPECT_EQ(f.Table().samples(), 3u);
}

TEST(ReplayLeases, ExpiredLeaseComesBackFirstAndCountsOnce) {
  Fixture f;
  f.Open(MakeSampleOpening(3));
  f.Insert(6, 0);
  const absl::Time now = absl::Now();
  f.Sample(2, kHour).value();
  f.Sample(2, 3 * kHour).value();
  const absl::Time next = f.service->ReturnExpired(now + 0.9 * kHour);
  EXPECT_GE(next, now + kHour);
  EXPECT_EQ(f.service->outstanding_leases(), 2);
  EXPECT_GT(f.service->ReturnExpired(next), next);
  EXPECT_EQ(f.service->outstanding_leases(), 1);
  EXPECT_EQ(Numbers(*f.Sample(4)), (std::vector<int>{0, 1, 4, 5}));
  EXPECT_EQ(f.service->ReturnExpired(absl::Now() + 4 * kHour), absl::InfiniteFuture());
  EXPECT_EQ(f.service->lease_counts().expired, 3);
  EXPECT_EQ(f.Table().samples(), 0u);
  EXPECT_EQ(Numbers(*f.Sample(6)), (std::vector<int>{0, 1, 2, 3, 4, 5}));
}

TEST(ReplayLeases, AcknowledgedNeverComesBack) {
  Fixture f;
  f.Open(MakeSampleOpening(3));
  f.Insert(5, 0);
  const uint64_t lease = f.Sample(3)->lease_id();
  f.service->Acknowledge({{lease}});
  f.service->Acknowledge({{lease, 12345}});
  f.service->Release({{lease}});
  EXPECT_EQ(f.service->ReturnExpired(absl::InfiniteFuture()), absl::InfiniteFuture());
  EXPECT_EQ(f.service->lease_counts().acknowledged, 1);
  EXPECT_EQ(f.service->lease_counts().unknown, 3);
  EXPECT_EQ(f.Table().leased(), 0u);
  EXPECT_EQ(f.Table().items(), 2u);
  EXPECT_EQ(f.Table().samples(), 3u);
  EXPECT_EQ(Numbers(*f.Sample(2)), (std::vector<int>{3, 4}));
}

TEST(ReplayLeases, WhatHasNoLastDrawIsNotLeased) {
  ReplayServiceOptions options = MakeServiceOptions();
  options.tables[0].selector = v1::REPLAY_SELECTOR_UNIFORM;
  options.tables[0].max_times_sampled = 0;
  Fixture f(options);
  f.Open(MakeSampleOpening(3));
  f.Insert(5, 0);
  EXPECT_EQ(f.Sample(3)->lease_id(), 0u);
  EXPECT_EQ(f.service->outstanding_leases(), 0);
}

TEST(ReplayLeases, LeasesOfAnotherIncarnationAreUnknown) {
  ReplayServiceOptions options = MakeServiceOptions();
  options.server_incarnation = UINT64_MAX;
  Fixture f(options);
  options.server_incarnation = 0x1234'5678'9abc'def0;
  Fixture g(options);
  for (Fixture* each : {&f, &g}) {
    each->Open(MakeSampleOpening(3));
    each->Insert(5, 0);
  }
  const uint64_t lease = f.Sample(1)->lease_id();
  EXPECT_NE(lease, 0u) << "0 means that nothing is leased";
  EXPECT_TRUE(g.Sample(1).ok());
  g.service->Acknowledge({{lease}});
  EXPECT_EQ(g.service->lease_counts().unknown, 1);
  EXPECT_EQ(g.service->outstanding_leases(), 1);
}

// A learner that dies every third batch: still each trajectory is trained on once, at one sample
// per insert, and inserts and samples never wait for each other for ever.
TEST(ReplayLeases, SamplesPerInsertStaysExactOverReleases) {
  ReplayServiceOptions options = MakeServiceOptions();
  options.tables[0].pacing.samples_per_insert = 1;
  options.tables[0].pacing.error_buffer = 24;
  Fixture f(options);
  f.Open(MakeSampleOpening(8));
  constexpr int kBatches = 300;
  std::thread actor([&] {
    for (int i = 0; i < kBatches; ++i) {
      auto answer =
          f.service->Insert(7, MakeInsert(i + 1, MakeBatch(8, 8 * i)), absl::InfiniteFuture());
      ASSERT_TRUE(answer.ok()) << answer.status();
    }
  });
  std::map<int, int> trained;
  for (int i = 0, done = 0; done < kBatches; ++i) {
    const auto batch = f.service->SampleLeased(*f.source.group, f.source.tables, 8,
                                               absl::InfiniteFuture(), kHour, nullptr);
    ASSERT_TRUE(batch.ok()) << batch.status();
    if (i % 3 == 2) {
      f.service->Release({{batch->lease_id()}});
      continue;
    }
    ++done;
    for (const int number : Numbers(*batch)) ++trained[number];
    f.service->Acknowledge({{batch->lease_id()}});
    const v1::TableInfo info = f.Table();
    ASSERT_LE(info.inserts() - info.samples(), 1u + 24 + 8) << "those released may be 8";
  }
  actor.join();
  EXPECT_EQ(trained.size(), 8u * kBatches);
  for (const auto& [number, times] : trained) ASSERT_EQ(times, 1) << number;
  EXPECT_EQ(f.Table().samples_per_insert(), 1.0);
  EXPECT_EQ(f.Table().items(), 0u);
}

TEST(ReplayLeases, SaveWithOutstandingLeasesLosesNoneAndCountsNoneTwice) {
  Fixture f;
  f.Open(MakeSampleOpening(3));
  f.Insert(9, 0);
  f.service->Acknowledge({{f.Sample(2)->lease_id()}});
  const uint64_t outstanding = f.Sample(3)->lease_id();
  const std::string state = *f.service->Save();
  Fixture g;
  ASSERT_TRUE(g.service->Restore(state).ok());
  EXPECT_EQ(g.service->GetInfo({})->acknowledged_trajectories(), 9u);
  EXPECT_EQ(g.Table().samples(), 2u);
  EXPECT_EQ(g.Table().leased(), 0u);
  g.Open(MakeSampleOpening(3));
  EXPECT_EQ(Numbers(*g.Sample(7)), (std::vector<int>{2, 3, 4, 5, 6, 7, 8}));
  f.service->Acknowledge({{outstanding}});  // The server that was saved goes on, too.
  EXPECT_EQ(Numbers(*f.Sample(4)), (std::vector<int>{5, 6, 7, 8}));
}

TEST(ReplayLeases, ReleaseWakesAWaitingSample) {
  Fixture f;
  f.Open(MakeSampleOpening(3));
  f.Insert(3, 0);
  const uint64_t lease = f.Sample(3)->lease_id();
  std::thread other([&] {
    const auto batch = f.service->SampleLeased(*f.source.group, f.source.tables, 3,
                                               absl::InfiniteFuture(), kHour, nullptr);
    EXPECT_EQ(Numbers(*batch), (std::vector<int>{0, 1, 2}));
  });
  while (f.Table().sample_blocked_seconds() == 0) std::this_thread::yield();
  f.service->Release({{lease}});
  other.join();
}

TEST(ReplayLeases, ExpiryIsAwaitedUntilOneIsDueOrTheWaiterIsCancelled) {
  Fixture f;
  f.Open(MakeSampleOpening(1));
  f.Insert(3, 0);
  CancelToken token;
  absl::Status due;
  std::thread waiter([&] { due = f.service->AwaitExpiry(token); });
  f.Sample(1, kHour).value();
  f.Sample(1, absl::Milliseconds(1)).value();  // Sooner than what the waiter knows of.
  waiter.join();
  EXPECT_TRUE(due.ok()) << due;
  f.service->ReturnExpired(absl::Now());
  EXPECT_EQ(f.service->outstanding_leases(), 1);
  waiter = std::thread([&] { due = f.service->AwaitExpiry(token); });
  f.service->Cancel(token);
  waiter.join();
  EXPECT_EQ(due.code(), absl::StatusCode::kCancelled);
}

TEST(ReplayLeases, DrainingWaitsForTheLastLeaseEvenWhenClosed) {
  Fixture f;
  f.Open(MakeSampleOpening(1));
  f.Insert(3, 0);
  const uint64_t first = f.Sample(1)->lease_id(), second = f.Sample(1)->lease_id();
  f.service->Close(absl::UnavailableError("draining"));
  const absl::Status early = f.service->AwaitNoLeases(absl::InfinitePast());
  EXPECT_EQ(early.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_NE(early.message().find("2 leases"), absl::string_view::npos) << early;
  absl::Status drained = absl::UnknownError("waits");
  std::thread waiter([&] { drained = f.service->AwaitNoLeases(absl::InfiniteFuture()); });
  f.service->Acknowledge({{first}});
  f.service->Release({{second}});
  waiter.join();
  EXPECT_TRUE(drained.ok()) << drained;
  EXPECT_EQ(f.Table().items(), 2u);
}

TEST(ReplayStreams, CancelEndsWhoeverWaitsInTheStreamAndNobodyElse) {
  ReplayServiceOptions options = MakeServiceOptions();
  options.tables[0].pacing.samples_per_insert = 1;
  options.tables[0].pacing.error_buffer = 4;
  Fixture f(options);
  f.Open(MakeSampleOpening(1));
  v1::InsertOpening opening;
  *opening.mutable_handshake() = MakeHandshake();
  auto inserts = *f.service->OpenInsert(opening);
  auto samples = *f.service->OpenSample(MakeSampleOpening(8));
  ASSERT_TRUE(inserts->Insert(MakeInsert(1, MakeBatch(5))).ok());
  absl::Status waiting;
  std::thread actor([&] { waiting = inserts->Insert(MakeInsert(2, MakeBatch(1, 5))).status(); });
  while (f.Table().insert_blocked_seconds() == 0) std::this_thread::yield();
  samples->Cancel();
  EXPECT_EQ(samples->Next().status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(samples->TryNext().status().code(), absl::StatusCode::kCancelled);
  inserts->Cancel();
  actor.join();
  EXPECT_EQ(waiting.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(f.Table().inserts(), 5u);
  EXPECT_TRUE(f.Sample(1).ok()) << "the server lives on";
  const auto again = f.service->Insert(7, MakeInsert(2, MakeBatch(1, 5)), absl::InfinitePast());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->result(), v1::INSERT_RESULT_INSERTED) << "what was cancelled can be sent again";
}

ReplayServiceOptions WithPriorities() {
  ReplayServiceOptions options = MakeServiceOptions();
  ReplayTableOptions& table = options.tables.emplace_back();
  table.name = "hard";
  table.selector = v1::REPLAY_SELECTOR_PRIORITISED;
  table.max_times_sampled = 0;
  return options;
}

v1::SampleOpening MixtureOpening() {
  v1::SampleOpening opening = MakeSampleOpening(4);
  opening.mutable_mixture(0)->set_share(0.5);
  v1::TableShare& share = *opening.add_mixture();
  share.set_table("hard");
  share.set_share(0.5);
  return opening;
}

TEST(ReplayPriorities, SampledBatchGivesPrioritiesWhereATableHasThem) {
  Fixture f(WithPriorities());
  f.Open(MixtureOpening());
  f.Insert(4, 0);
  const v1::SampledBatch mixed = *f.Sample(4);
  ASSERT_EQ(mixed.priorities_size(), 4);
  Fixture plain;
  plain.Open(MakeSampleOpening(2));
  plain.Insert(4, 0);
  EXPECT_TRUE(plain.Sample(2)->priorities().empty());
}

TEST(ReplayPriorities, UpdatesMoveDrawsAndCountWhatIsMissing) {
  Fixture f(WithPriorities());
  v1::SampleOpening opening = MakeSampleOpening(64);
  opening.mutable_mixture(0)->set_table("hard");
  f.Open(opening);
  f.Insert(4, 0);
  std::map<int, uint64_t> keys;
  const v1::SampledBatch all = *f.Sample(64);
  for (int i = 0; i < 64; ++i) keys[NumberOf(all.batch(), i)] = all.item_keys(i);
  ASSERT_EQ(keys.size(), 4u);
  v1::UpdatePrioritiesRequest request;
  *request.mutable_handshake() = MakeHandshake();
  request.set_table("hard");
  for (const auto& [number, key] : keys) {
    request.add_item_keys(key);
    request.add_priorities(number == 2 ? 3 : 0);
  }
  request.add_item_keys(999);
  request.add_priorities(1);
  const auto updated = f.service->UpdatePriorities(request);
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_EQ(updated->updated(), 4u);
  EXPECT_EQ(updated->missing(), 1u);
  const v1::SampledBatch drawn = *f.Sample(64);
  EXPECT_EQ(Numbers(drawn), std::vector<int>(64, 2));
  EXPECT_EQ(drawn.priorities(63), 3);
  EXPECT_EQ(drawn.probabilities(63), 1.0);
}

TEST(ReplayPriorities, BadUpdateNamesItsIndexChangesNothingAndTheTableLivesOn) {
  Fixture f(WithPriorities());
  v1::SampleOpening opening = MakeSampleOpening(8);
  opening.mutable_mixture(0)->set_table("hard");
  f.Open(opening);
  f.Insert(2, 0);
  const uint64_t key = f.Sample(8)->item_keys(0);
  for (const double bad : {-1.0, std::nan(""), HUGE_VAL}) {
    v1::UpdatePrioritiesRequest request;
    *request.mutable_handshake() = MakeHandshake();
    request.set_table("hard");
    request.add_item_keys(key);
    request.add_item_keys(key);
    request.add_priorities(50);
    request.add_priorities(bad);
    const absl::Status status = f.service->UpdatePriorities(request).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find("priorities[1]"), absl::string_view::npos) << status;
    request.mutable_priorities()->RemoveLast();
    EXPECT_NE(f.service->UpdatePriorities(request).status().message().find("expected 2"),
              absl::string_view::npos);
  }
  const v1::SampledBatch after = *f.Sample(8);
  for (const double priority : after.priorities()) EXPECT_EQ(priority, 1.0);
}

TEST(ReplayPriorities, ConfigurationSettlesExponentAndOrigin) {
  v1::RunConfig config;
  v1::ReplayTableConfig& table = *config.mutable_replay()->add_tables();
  table.set_name("hard");
  table.set_selector(v1::REPLAY_SELECTOR_PRIORITISED);
  table.set_max_items(10);
  table.set_priority_exponent(0.6);
  table.set_priority(v1::REPLAY_PRIORITY_LOSS);
  const auto options = ReplayServiceOptions::FromConfig(config, kRun, kEnvironment);
  EXPECT_EQ(options.tables[0].priority_exponent, 0.6);
  EXPECT_EQ(options.tables[0].priority, v1::REPLAY_PRIORITY_LOSS);
  auto service = ReplayService::Create(options);
  ASSERT_TRUE(service.ok()) << service.status();
  EXPECT_EQ((*service)->GetInfo({})->tables(0).selector(), "prioritised");
}

}  // namespace
}  // namespace anabranch
