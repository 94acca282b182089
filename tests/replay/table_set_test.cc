#include "replay/table_set.h"

#include <atomic>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "tests/replay/test_batches.h"

namespace anabranch {
namespace {

ReplayTableOptions Table(const std::string& name, double samples_per_insert, double error_buffer) {
  ReplayTableOptions options;
  options.name = name;
  options.pacing.samples_per_insert = samples_per_insert;
  options.pacing.error_buffer = error_buffer;
  return options;
}

std::unique_ptr<TableSet> Make(std::vector<ReplayTableOptions> options) {
  return *TableSet::Create(options, 1);
}

absl::Status Insert(TableSet& set, const ChunkRef& chunk, absl::Time deadline) {
  std::vector<TableTarget> targets;
  for (int32_t i = 0; i < set.size(); ++i) targets.push_back({i, {}});
  absl::Status status = set.Insert(chunk, targets, deadline);
  if (status.ok()) set.FinishInsert();
  return status;
}

// Until somebody waits in the table: a condition, not a time.
void AwaitBlocked(const TableSet& set, int32_t table, bool insert) {
  while (true) {
    const TableSet::Info info = set.GetInfo(table);
    const absl::Duration total = insert ? info.inserts_blocked.total : info.samples_blocked.total;
    if (total > absl::ZeroDuration()) return;
    std::this_thread::yield();
  }
}

TEST(TableSet, CloseWakesBlockedSampler) {
  auto set = Make({Table("a", 0, 0)});
  absl::Status status;
  std::thread sampler([&] {
    SampledRows rows;
    const TableDraw draws[] = {{0, 1}};
    status = set->Sample(draws, absl::InfiniteFuture(), rows);
  });
  AwaitBlocked(*set, 0, false);
  set->Close(absl::CancelledError("the run is over"));
  sampler.join();
  EXPECT_EQ(status, absl::CancelledError("the run is over"));
}

TEST(TableSet, CloseWakesBlockedInserter) {
  auto set = Make({Table("a", 1, 4)});
  ASSERT_TRUE(Insert(*set, MakeChunk(5), absl::InfinitePast()).ok());
  absl::Status status;
  std::thread inserter([&] { status = Insert(*set, MakeChunk(1, 5), absl::InfiniteFuture()); });
  AwaitBlocked(*set, 0, true);
  set->Close(absl::CancelledError("the run is over"));
  inserter.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(set->GetInfo(0).stats.inserts, 5);
}

TEST(TableSet, ClosedSetRefusesEvenWhatItCouldServe) {
  auto set = Make({Table("a", 0, 0)});
  ASSERT_TRUE(Insert(*set, MakeChunk(5), absl::InfinitePast()).ok());
  set->Close(absl::CancelledError("first"));
  set->Close(absl::CancelledError("second"));
  SampledRows rows;
  const TableDraw draws[] = {{0, 1}};
  EXPECT_EQ(set->Sample(draws, absl::InfiniteFuture(), rows), absl::CancelledError("first"));
  EXPECT_EQ(Insert(*set, MakeChunk(1), absl::InfiniteFuture()), absl::CancelledError("first"));
}

TEST(TableSet, DeadlineNamesTheTableAndLeavesNothing) {
  auto set = Make({Table("easy", 0, 0), Table("strict", 1, 4)});
  ASSERT_TRUE(Insert(*set, MakeChunk(5), absl::InfinitePast()).ok());
  const absl::Status insert = Insert(*set, MakeChunk(5, 5), absl::InfinitePast());
  EXPECT_EQ(insert.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_NE(insert.message().find("strict"), absl::string_view::npos);
  EXPECT_EQ(set->GetInfo(0).stats.inserts, 5) << "an insert into several tables is one event";
  SampledRows rows;
  const TableDraw draws[] = {{0, 2}, {1, 6}};
  const absl::Status sample = set->Sample(draws, absl::InfinitePast(), rows);
  EXPECT_EQ(sample.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_NE(sample.message().find("strict"), absl::string_view::npos);
  EXPECT_EQ(rows.size(), 0);
  EXPECT_EQ(set->GetInfo(0).stats.samples, 0) << "a sample from several tables is one event";
}

TEST(TableSet, InsertWakesBlockedSampler) {
  auto set = Make({Table("a", 1, 8)});
  SampledRows rows;
  absl::Status status;
  std::thread sampler([&] {
    const TableDraw draws[] = {{0, 4}};
    status = set->Sample(draws, absl::InfiniteFuture(), rows);
  });
  AwaitBlocked(*set, 0, false);
  ASSERT_TRUE(Insert(*set, MakeChunk(2), absl::InfinitePast()).ok());
  ASSERT_TRUE(Insert(*set, MakeChunk(2, 2), absl::InfinitePast()).ok());
  sampler.join();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(rows.size(), 4);
}

// A batch of the learner larger than the pacing lets wait would be a deadlock.
TEST(TableSet, StarvingSampleWaivesPacing) {
  auto set = Make({Table("a", 1, 4)});
  ASSERT_TRUE(Insert(*set, MakeChunk(5), absl::InfinitePast()).ok());
  ASSERT_FALSE(Insert(*set, MakeChunk(5, 5), absl::InfinitePast()).ok());
  SampledRows rows;
  std::thread sampler([&] {
    const TableDraw draws[] = {{0, 8}};
    EXPECT_TRUE(set->Sample(draws, absl::InfiniteFuture(), rows).ok());
  });
  AwaitBlocked(*set, 0, false);
  EXPECT_TRUE(Insert(*set, MakeChunk(5, 5), absl::InfiniteFuture()).ok());
  sampler.join();
  EXPECT_EQ(rows.size(), 8);
}

TEST(TableSet, SnapshotWaitsForHalfDoneInserts) {
  auto set = Make({Table("a", 0, 0)});
  const TableTarget targets[] = {{0, {}}};
  ASSERT_TRUE(set->Insert(MakeChunk(3), targets, absl::InfinitePast()).ok());
  std::atomic<bool> looked = false;
  std::atomic<bool> books_done = false;
  std::thread saver([&] {
    set->Snapshot([&](auto) {
      looked = true;
      EXPECT_TRUE(books_done);
    });
  });
  for (int i = 0; i < 1000; ++i) std::this_thread::yield();
  EXPECT_FALSE(looked);
  books_done = true;
  set->FinishInsert();
  saver.join();
  EXPECT_TRUE(looked);
}

// Four inserters and two samplers; each trajectory is handed out once, within the pacing's bounds.
TEST(TableSet, ThreadsGetEveryTrajectoryOnce) {
  constexpr int kInserters = 4, kBatches = 60, kRows = 8;
  auto set = Make({Table("a", 1, 3 * kRows)});
  std::vector<std::thread> threads;
  for (int t = 0; t < kInserters; ++t) {
    threads.emplace_back([&, t] {
      for (int b = 0; b < kBatches; ++b) {
        const int first = (t * kBatches + b) * kRows;
        ASSERT_TRUE(Insert(*set, MakeChunk(kRows, first), absl::InfiniteFuture()).ok());
      }
    });
  }
  absl::Mutex mu;
  std::multiset<int> seen;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int b = 0; b < kInserters * kBatches / 2; ++b) {
        SampledRows rows;
        const TableDraw draws[] = {{0, kRows}};
        ASSERT_TRUE(set->Sample(draws, absl::InfiniteFuture(), rows).ok());
        absl::MutexLock lock(&mu);
        for (const RowRef& ref : rows.rows) {
          seen.insert(static_cast<int>(rows.chunks[ref.chunk]->batch().raw_values(ref.row)));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(seen.size(), static_cast<size_t>(kInserters * kBatches * kRows));
  int expected = 0;
  for (const int number : seen) ASSERT_EQ(number, expected++);
}

TEST(TableSet, TwoTablesOfOneNameAreRefused) {
  const std::vector<ReplayTableOptions> twice = {Table("a", 0, 0), Table("a", 0, 0)};
  EXPECT_EQ(TableSet::Create(twice, 1).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(TableSet::Create({}, 1).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(WaitMeter, ReportsTheLastMinuteAndAll) {
  WaitMeter meter;
  const absl::Time start = absl::UnixEpoch();
  meter.Begin(start);
  meter.Begin(start + absl::Seconds(5));  // Two at once count once.
  meter.End(start + absl::Seconds(10));
  meter.End(start + absl::Seconds(30));
  WaitMeter::Report report = meter.Read(start + absl::Seconds(60));
  EXPECT_EQ(report.total, absl::Seconds(30));
  EXPECT_DOUBLE_EQ(report.share_of_last_minute, 0.5);
  meter.Begin(start + absl::Seconds(66));
  report = meter.Read(start + absl::Seconds(75));
  EXPECT_EQ(report.total, absl::Seconds(39));
  EXPECT_DOUBLE_EQ(report.share_of_last_minute, (15 + 9) / 60.0);
  meter.End(start + absl::Seconds(200));
  EXPECT_DOUBLE_EQ(meter.Read(start + absl::Seconds(200)).share_of_last_minute, 1.0);
}

}  // namespace
}  // namespace anabranch
