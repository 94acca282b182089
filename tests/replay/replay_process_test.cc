#include "replay/replay_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "replay/replay_metrics.h"
#include "replay/replay_state_file.h"
#include "runtime/config.h"
#include "tests/replay/test_batches.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using testing::HasSubstr;

class ReplayProcessTest : public testing::Test {
 protected:
  ReplayProcessTest() {
    auto config = ParseRunConfig("environment: {hypergrid: {dimensions: 2, side: 8}}\n", "test");
    EXPECT_TRUE(config.ok()) << config.status();
    if (config.ok()) options_.config = *std::move(config);
    options_.state_directory = directory_.path();
    options_.server_incarnation = 1;
  }
  absl::StatusOr<ReplayProcess> Make() { return MakeReplayProcess(options_, *PosixFileSystem()); }
  // One batch of three trajectories of the process' own run and environment.
  static v1::InsertBatch MakeBatchFor(ReplayProcess& process, uint64_t sequence) {
    const v1::GetInfoResponse info = *process.service->GetInfo({});
    v1::InsertBatch batch = MakeInsert(sequence, MakeBatch(3, 3 * static_cast<int>(sequence)));
    batch.mutable_batch()->set_run_id(info.run_id());
    batch.mutable_batch()->set_environment_fingerprint(info.environment_fingerprint());
    batch.mutable_batch()->clear_reward_shaping_hash();
    batch.mutable_batch()->clear_log_rewards();
    return batch;
  }

  TemporaryDirectory directory_;
  ReplayProcessOptions options_;
};

TEST_F(ReplayProcessTest, ARunWithoutAStateIsAFreshOneOrTheOneThatIsNamed) {
  const auto first = Make(), second = Make();
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_NE(first->run_id, second->run_id);
  EXPECT_FALSE(first->restored);
  options_.run_id = "mine";
  EXPECT_EQ(Make()->run_id, "mine");
}

TEST_F(ReplayProcessTest, WhatWasSavedGoesOnUnderItsRunIdAndCountsOnce) {
  auto first = Make();
  ASSERT_TRUE(first.ok()) << first.status();
  const auto inserted = first->service->Insert(7, MakeBatchFor(*first, 1), absl::InfinitePast());
  ASSERT_TRUE(inserted.ok()) << inserted.status();
  ASSERT_EQ(inserted->result(), v1::INSERT_RESULT_INSERTED) << inserted->refusal().message();
  ASSERT_TRUE(SaveReplayProcess(*first, directory_.path(), *PosixFileSystem()).ok());
  options_.server_incarnation = 2;
  auto second = Make();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_TRUE(second->restored);
  EXPECT_EQ(second->run_id, first->run_id);
  EXPECT_EQ(second->service->Insert(7, MakeBatchFor(*second, 1), absl::InfinitePast())->result(),
            v1::INSERT_RESULT_DUPLICATE);
  EXPECT_EQ(second->service->GetInfo({})->acknowledged_trajectories(), 3u);
  EXPECT_EQ(second->service->GetInfo({})->server_incarnation(), 2u);
}

TEST_F(ReplayProcessTest, AStateOfAnotherRunIsRefusedWithBothNames) {
  options_.run_id = "mine";
  ASSERT_TRUE(SaveReplayProcess(*Make(), directory_.path(), *PosixFileSystem()).ok());
  options_.run_id = "yours";
  const auto refused = Make();
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("\"yours\""));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("\"mine\""));
}

TEST_F(ReplayProcessTest, ADamagedStateIsRefusedByNameAndLeftAsItIs) {
  ASSERT_TRUE(SaveReplayProcess(*Make(), directory_.path(), *PosixFileSystem()).ok());
  const std::string path = directory_.Path(kReplayStateFile);
  std::string content = *PosixFileSystem()->Read(path);
  content.back() ^= 1;
  ASSERT_TRUE(PosixFileSystem()->Write(path, content).ok());
  const auto refused = Make();
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr(path));
  EXPECT_EQ(*PosixFileSystem()->Read(path), content);
}

TEST_F(ReplayProcessTest, WithoutADirectoryNothingIsSaved) {
  options_.state_directory.clear();
  EXPECT_TRUE(SaveReplayProcess(*Make(), "", *PosixFileSystem()).ok());
}

TEST_F(ReplayProcessTest, MetricsAndStatusSayWhatTheTablesHold) {
  auto process = Make();
  ASSERT_TRUE(process.ok()) << process.status();
  Metrics metrics("replay");
  ExportReplayMetrics(*process->service, metrics);
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(
        process->service->Insert(7, MakeBatchFor(*process, 1), absl::InfinitePast())->result(),
        i == 0 ? v1::INSERT_RESULT_INSERTED : v1::INSERT_RESULT_DUPLICATE);
  }
  const std::string text = metrics.Text();
  for (const char* line :
       {"anabranch_replay_inserts_total{table=\"fresh\"} 3",
        "anabranch_replay_duplicates_total{table=\"fresh\"} 3",
        "anabranch_replay_items{table=\"fresh\"} 3", "anabranch_replay_objects 3",
        "anabranch_replay_evictions_total{reason=\"max_items\",table=\"fresh\"} 0",
        "anabranch_replay_blocked_seconds_total{side=\"insert\",table=\"fresh\"} 0",
        "anabranch_replay_target_samples_per_insert_ratio{table=\"fresh\"} 1"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  v1::GetStatusResponse status;
  DescribeReplay(*process->service, status);
  EXPECT_EQ(status.totals(0).name(), "trajectories");
  EXPECT_EQ(status.totals(0).value(), 3);
  EXPECT_EQ(status.waits_size(), 2);
}

}  // namespace
}  // namespace anabranch
