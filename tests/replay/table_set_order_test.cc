// In which order a table set serves those who wait, and whom cancelling wakes.
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "replay/table_set.h"
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

absl::Status Insert(TableSet& set, const ChunkRef& chunk, std::vector<int32_t> tables,
                    absl::Time deadline, const CancelToken* token = nullptr) {
  std::vector<TableTarget> targets;
  for (const int32_t table : tables) targets.push_back({table, {}});
  absl::Status status = set.Insert(chunk, targets, deadline, token);
  if (status.ok()) set.FinishInsert();
  return status;
}

std::vector<int> Sample(TableSet& set, int32_t table, int64_t count, absl::Time deadline) {
  SampledRows rows;
  const TableDraw draws[] = {{table, count}};
  std::vector<int> numbers;
  if (!set.Sample(draws, deadline, rows).ok()) return numbers;
  for (const RowRef& ref : rows.rows) {
    numbers.push_back(NumberOf(rows.chunks[ref.chunk]->batch(), static_cast<int>(ref.row)));
  }
  return numbers;
}

void AwaitWaiting(const TableSet& set, int32_t table, int64_t inserts, int64_t samples) {
  while (true) {
    const TableSet::Info info = set.GetInfo(table);
    if (info.inserts_waiting == inserts && info.samples_waiting == samples) return;
    std::this_thread::yield();
  }
}

// Threads that insert, in a known order of arrival.
class Inserters {
 public:
  explicit Inserters(TableSet& set) : set_(set) {}
  ~Inserters() {
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }
  // Starts one with `rows` trajectories from `first` on, and returns once it waits.
  void Start(int rows, int first, std::vector<int32_t> tables, const CancelToken* token = nullptr) {
    statuses_.push_back(std::make_unique<absl::Status>(absl::UnknownError("waits")));
    const int64_t waiting = set_.GetInfo(tables.front()).inserts_waiting;
    const int32_t table = tables.front();
    threads_.emplace_back([=, this, status = statuses_.back().get()] {
      *status = Insert(set_, MakeChunk(rows, first), tables, absl::InfiniteFuture(), token);
    });
    AwaitWaiting(set_, table, waiting + 1, 0);
  }
  // Once for each.
  absl::Status Await(size_t i) {
    threads_[i].join();
    return *statuses_[i];
  }

 private:
  TableSet& set_;
  std::vector<std::unique_ptr<absl::Status>> statuses_;
  std::vector<std::thread> threads_;
};

TEST(TableSetOrder, BlockedInsertsAreAdmittedInTheOrderOfTheirArrival) {
  auto set = Make({Table("a", 1, 4)});
  ASSERT_TRUE(Insert(*set, MakeChunk(5), {0}, absl::InfinitePast()).ok());
  constexpr int kInserts = 12;
  Inserters inserters(*set);
  for (int i = 0; i < kInserts; ++i) inserters.Start(1 + i % 3, 5 + 3 * i, {0});
  std::vector<int> drawn;
  while (drawn.size() < 5 + 2 * kInserts) {
    const std::vector<int> numbers = Sample(*set, 0, 1, absl::InfiniteFuture());
    drawn.insert(drawn.end(), numbers.begin(), numbers.end());
  }
  std::vector<int> arrived = {0, 1, 2, 3, 4};
  for (int i = 0; i < kInserts; ++i) {
    for (int k = 0; k < 1 + i % 3; ++k) arrived.push_back(5 + 3 * i + k);
  }
  EXPECT_EQ(drawn, arrived);
  for (int i = 0; i < kInserts; ++i) EXPECT_TRUE(inserters.Await(i).ok());
}

TEST(TableSetOrder, SmallInsertDoesNotOvertakeALargeOne) {
  auto set = Make({Table("a", 1, 4), Table("b", 0, 0)});
  ASSERT_TRUE(Insert(*set, MakeChunk(4), {0}, absl::InfinitePast()).ok());
  Inserters inserters(*set);
  inserters.Start(3, 100, {0});
  const absl::Status small = Insert(*set, MakeChunk(1, 200), {0}, absl::InfinitePast());
  EXPECT_EQ(small.code(), absl::StatusCode::kDeadlineExceeded)
      << "pacing has room for one, but another waits for its turn";
  EXPECT_EQ(Sample(*set, 0, 2, absl::InfinitePast()), (std::vector<int>{0, 1}));
  EXPECT_TRUE(inserters.Await(0).ok());
}

TEST(TableSetOrder, OrderHoldsAmongThoseWhoShareATableOnly) {
  auto set = Make({Table("a", 1, 4), Table("b", 1, 4)});
  ASSERT_TRUE(Insert(*set, MakeChunk(5), {0}, absl::InfinitePast()).ok());
  Inserters inserters(*set);
  inserters.Start(1, 100, {0});
  EXPECT_TRUE(Insert(*set, MakeChunk(1, 200), {1}, absl::InfinitePast()).ok());
  Sample(*set, 0, 1, absl::InfinitePast());
  EXPECT_TRUE(inserters.Await(0).ok());
}

// The earlier insert waits for "a", the later one is what a sample of "b" starves for.
TEST(TableSetOrder, StarvingSampleIsFedByALaterInsert) {
  auto set = Make({Table("a", 1, 4), Table("b", 0, 0)});
  ASSERT_TRUE(Insert(*set, MakeChunk(5), {0}, absl::InfinitePast()).ok());
  Inserters inserters(*set);
  inserters.Start(1, 100, {0, 1});
  std::thread sampler(
      [&] { EXPECT_EQ(Sample(*set, 1, 2, absl::InfiniteFuture()), (std::vector<int>{200, 201})); });
  AwaitWaiting(*set, 1, 1, 1);
  EXPECT_TRUE(Insert(*set, MakeChunk(2, 200), {1}, absl::InfiniteFuture()).ok());
  sampler.join();
  EXPECT_EQ(set->GetInfo(0).inserts_waiting, 1);
  Sample(*set, 0, 1, absl::InfinitePast());
  EXPECT_TRUE(inserters.Await(0).ok());
}

// Of several inserts that a starving sample lets in, the earliest go first, and no more than it
// needs.
TEST(TableSetOrder, WaivedInsertsKeepTheirOrder) {
  auto set = Make({Table("a", 1, 4)});
  ASSERT_TRUE(Insert(*set, MakeChunk(5), {0}, absl::InfinitePast()).ok());
  Inserters inserters(*set);
  for (int i = 0; i < 5; ++i) inserters.Start(5, 100 + 10 * i, {0});
  const std::vector<int> drawn = Sample(*set, 0, 12, absl::InfiniteFuture());
  EXPECT_EQ(drawn, (std::vector<int>{0, 1, 2, 3, 4, 100, 101, 102, 103, 104, 110, 111}));
  EXPECT_TRUE(inserters.Await(0).ok());
  EXPECT_TRUE(inserters.Await(1).ok());
  EXPECT_EQ(Sample(*set, 0, 4, absl::InfiniteFuture()).front(), 112);
  EXPECT_TRUE(inserters.Await(2).ok());
  set->Close(absl::CancelledError("the run is over"));
  EXPECT_FALSE(inserters.Await(4).ok());
}

TEST(TableSetOrder, CancelWakesOnlyItsWaiter) {
  auto set = Make({Table("a", 1, 4)});
  ASSERT_TRUE(Insert(*set, MakeChunk(5), {0}, absl::InfinitePast()).ok());
  CancelToken first, second, stranger;
  Inserters inserters(*set);
  inserters.Start(1, 100, {0}, &first);
  inserters.Start(1, 200, {0}, &second);
  set->Cancel(stranger);
  set->Cancel(second);
  EXPECT_EQ(inserters.Await(1).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(set->GetInfo(0).inserts_waiting, 1);
  EXPECT_EQ(Insert(*set, MakeChunk(1, 300), {0}, absl::InfinitePast(), &second).code(),
            absl::StatusCode::kCancelled)
      << "a token stays cancelled";
  EXPECT_EQ(Sample(*set, 0, 1, absl::InfinitePast()), std::vector<int>{0});
  EXPECT_TRUE(inserters.Await(0).ok());
  EXPECT_EQ(set->GetInfo(0).stats.inserts, 6);
}

TEST(TableSetOrder, CancelledOrTimedOutInsertMakesWayForThoseBehindIt) {
  auto set = Make({Table("a", 1, 4)});
  ASSERT_TRUE(Insert(*set, MakeChunk(4), {0}, absl::InfinitePast()).ok());
  CancelToken token;
  Inserters inserters(*set);
  inserters.Start(3, 100, {0}, &token);
  inserters.Start(1, 200, {0});
  set->Cancel(token);
  EXPECT_EQ(inserters.Await(0).code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(inserters.Await(1).ok());
  // The same by a deadline.
  std::atomic<bool> timed_out = false;
  std::thread late([&] {
    const absl::Time deadline = absl::Now() + absl::Milliseconds(100);
    EXPECT_EQ(Insert(*set, MakeChunk(2, 300), {0}, deadline).code(),
              absl::StatusCode::kDeadlineExceeded);
    timed_out = true;
  });
  while (set->GetInfo(0).inserts_waiting == 0 && !timed_out) {
    std::this_thread::yield();
  }
  EXPECT_EQ(Sample(*set, 0, 1, absl::InfinitePast()).size(), 1u);
  EXPECT_TRUE(Insert(*set, MakeChunk(1, 400), {0}, absl::InfiniteFuture()).ok());
  late.join();
}

TEST(TableSetOrder, CancelEndsAWaitingSample) {
  auto set = Make({Table("a", 0, 0)});
  CancelToken token;
  absl::Status status;
  std::thread sampler([&] {
    SampledRows rows;
    const TableDraw draws[] = {{0, 1}};
    status = set->Sample(draws, absl::InfiniteFuture(), rows, &token);
  });
  AwaitWaiting(*set, 0, 0, 1);
  set->Cancel(token);
  sampler.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  ASSERT_TRUE(Insert(*set, MakeChunk(1), {0}, absl::InfinitePast()).ok());
  EXPECT_EQ(Sample(*set, 0, 1, absl::InfinitePast()).size(), 1u) << "it has drawn nothing";
}

TEST(TableSetOrder, SampleThatDoesNotWaitWaivesNothing) {
  auto set = Make({Table("a", 1, 4)});
  ASSERT_TRUE(Insert(*set, MakeChunk(5), {0}, absl::InfinitePast()).ok());
  Inserters inserters(*set);
  inserters.Start(5, 100, {0});
  EXPECT_TRUE(Sample(*set, 0, 8, absl::InfinitePast()).empty());
  EXPECT_EQ(set->GetInfo(0).inserts_waiting, 1);
  EXPECT_EQ(Sample(*set, 0, 8, absl::InfiniteFuture()).size(), 8u);
  EXPECT_TRUE(inserters.Await(0).ok());
}

}  // namespace
}  // namespace anabranch
