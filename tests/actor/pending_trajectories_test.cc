#include "actor/pending_trajectories.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "actor/pending_record.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using ::absl::StatusCode;
using ::testing::HasSubstr;

// A store on disk that can be closed and opened again, as by the next process.
class PendingTrajectoriesTest : public testing::Test {
 protected:
  PendingTrajectoriesTest() {
    options_ = {"run-a", "digits/1", "shaping-1", 77};
    header_.run_id = "run-a";
    header_.environment_fingerprint = "digits/1";
    header_.object_format = "digit";
    header_.objectives = {"value"};
    header_.reward_fingerprint = "tens/1";
    header_.reward_shaping_hash = "shaping-1";
    header_.policy.set_generation(2);
    header_.policy.set_version(9);
    header_.source.set_client_incarnation(0xabc);
    header_.source.set_actor_name("actor-3");
    header_.first_trajectory_number = 40;
    for (int i = 0; i < 5; ++i) {  // Trajectory i has i + 1 actions.
      trajectories_.lengths.push_back(i + 1);
      for (int k = 0; k <= i; ++k) {
        trajectories_.actions.push_back(10 * i + k);
        trajectories_.log_pf.push_back(-0.5f * static_cast<float>(10 * i + k));
      }
      trajectories_.objects.push_back(std::to_string(i));
      trajectories_.object_keys.push_back(Key128::Of(std::to_string(i)));
      trajectories_.state_keys.push_back(Key128::Of(absl::StrCat("state ", i)));
    }
  }

  absl::Status TryOpen() {
    pending_.reset();
    store_.reset();
    auto store = OpenStore(directory_.Path("state"));
    EXPECT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    auto pending = PendingTrajectories::Open(*store_, options_);
    if (pending.ok()) pending_ = *std::move(pending);
    return pending.status();
  }
  void Open() { ASSERT_TRUE(TryOpen().ok()); }

  // Trajectories 1 and 3, due at once.
  void AddTwo() {
    const std::vector<DeferredObject> deferred = {{1, "lab-1", absl::Nanoseconds(1)},
                                                  {3, "lab-3", absl::Nanoseconds(1)}};
    ASSERT_TRUE(pending_->Add(header_, trajectories_, deferred, absl::Now()).ok());
  }
  std::vector<PendingRecord> TakeDue(int64_t max) {
    auto records = pending_->TakeDue(max);
    EXPECT_TRUE(records.ok()) << records.status();
    return *std::move(records);
  }
  static std::vector<std::string> Keys(const std::vector<PendingRecord>& records) {
    std::vector<std::string> keys;
    for (const PendingRecord& record : records) keys.push_back(record.key);
    return keys;
  }

  TemporaryDirectory directory_;
  PendingOptions options_;
  BatchHeader header_;
  Trajectories trajectories_;
  std::unique_ptr<KeyValueStore> store_;
  std::unique_ptr<PendingTrajectories> pending_;
};

TEST_F(PendingTrajectoriesTest, ATrajectoryComesBackWholeAfterAReopening) {
  Open();
  AddTwo();
  const absl::Time oldest = pending_->oldest();
  Open();
  EXPECT_EQ(pending_->size(), 2);
  EXPECT_EQ(pending_->oldest(), oldest);
  const std::vector<PendingRecord> records = TakeDue(10);
  ASSERT_EQ(records.size(), 2u);
  const v1::PendingTrajectory& three = records[1].content;
  EXPECT_EQ(three.ticket(), "lab-3");
  const v1::TrajectoryBatch& batch = three.trajectory();
  ASSERT_EQ(batch.lengths_size(), 1);
  EXPECT_EQ(std::vector<uint32_t>(batch.actions().begin(), batch.actions().end()),
            (std::vector<uint32_t>{30, 31, 32, 33}));
  EXPECT_EQ(batch.policy_log_probs(3), -16.5f);
  EXPECT_EQ(batch.object_data(), "3");
  EXPECT_EQ(batch.object_keys(), Key128::Of("3").ToBytes());
  EXPECT_EQ(batch.state_keys(), Key128::Of("state 3").ToBytes());
  EXPECT_EQ(batch.policy_generations(0), 2u);
  EXPECT_EQ(batch.policy_versions(0), 9u);
  EXPECT_EQ(batch.trajectory_numbers(0), 43u);
  EXPECT_EQ(batch.sources(0).client_incarnation(), 0xabcu);
  EXPECT_EQ(batch.sources(0).actor_name(), "actor-3");
}

TEST_F(PendingTrajectoriesTest, WhatIsPutOffIsDueAgainAtItsTimeWithItsNewTicket) {
  Open();
  AddTwo();
  std::vector<PendingRecord> records = TakeDue(10);
  ASSERT_EQ(records.size(), 2u);
  records[0].content.set_ticket("lab-1b");
  records[0].content.set_ask_again_micros(absl::ToUnixMicros(absl::Now()));
  records[1].content.set_ask_again_micros(absl::ToUnixMicros(absl::Now() + absl::Hours(1)));
  ASSERT_TRUE(pending_->Postpone(records).ok());
  Open();
  records = TakeDue(10);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].content.ticket(), "lab-1b");
  EXPECT_EQ(pending_->size(), 2);
}

TEST_F(PendingTrajectoriesTest, NobodyGetsATrajectoryTwice) {
  Open();
  AddTwo();
  EXPECT_EQ(TakeDue(1).size(), 1u);
  EXPECT_EQ(TakeDue(1).size(), 1u);
  pending_->Close();
  EXPECT_TRUE(TakeDue(1).empty());
  EXPECT_EQ(pending_->size(), 2);
}

TEST_F(PendingTrajectoriesTest, AComposedBatchKeepsSequenceAndClientOverAReopening) {
  Open();
  EXPECT_EQ(pending_->client_incarnation(), 77u);
  AddTwo();
  const std::vector<PendingRecord> records = TakeDue(10);
  v1::TrajectoryBatch batch = records[0].content.trajectory();
  ASSERT_TRUE(pending_->Compose(std::vector<std::string>{records[0].key}, batch).ok());
  options_.fresh_incarnation = 78;
  Open();
  EXPECT_EQ(pending_->client_incarnation(), 77u);
  EXPECT_EQ(pending_->size(), 1);
  EXPECT_EQ(pending_->unacknowledged(), 1);
  const auto oldest = pending_->OldestBatch();
  ASSERT_TRUE(oldest.ok() && oldest->has_value());
  EXPECT_EQ((*oldest)->sequence(), 1u);
  EXPECT_EQ((*oldest)->batch().SerializeAsString(), batch.SerializeAsString());
  ASSERT_TRUE(pending_->Acknowledged(1).ok());
  EXPECT_EQ(pending_->unacknowledged(), 0);
  Open();
  EXPECT_FALSE((*pending_->OldestBatch()).has_value());
  // A sequence is never used twice, also when nothing is left of it.
  ASSERT_TRUE(pending_->Compose(Keys(TakeDue(10)), batch).ok());
  EXPECT_EQ((*pending_->OldestBatch())->sequence(), 2u);
  EXPECT_EQ(pending_->size(), 0);
}

TEST_F(PendingTrajectoriesTest, WhatIsAnsweredWithoutAnythingToInsertJustGoes) {
  Open();
  AddTwo();
  ASSERT_TRUE(pending_->Compose(Keys(TakeDue(10)), v1::TrajectoryBatch()).ok());
  Open();
  EXPECT_EQ(pending_->size(), 0);
  EXPECT_FALSE((*pending_->OldestBatch()).has_value());
  EXPECT_EQ(pending_->oldest(), absl::InfiniteFuture());
}

TEST_F(PendingTrajectoriesTest, TrajectoriesOfAnotherRunEnvironmentOrShapingAreRefusedNamingBoth) {
  Open();
  AddTwo();
  const PendingOptions ours = options_;
  const struct {
    std::string PendingOptions::* field;
    std::string value;
  } others[] = {{&PendingOptions::run_id, "run-b"},
                {&PendingOptions::environment_fingerprint, "digits/2"},
                {&PendingOptions::reward_shaping_hash, "shaping-2"}};
  for (const auto& other : others) {
    options_ = ours;
    options_.*other.field = other.value;
    const absl::Status status = TryOpen();
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr(other.value));
    EXPECT_THAT(std::string(status.message()), HasSubstr(ours.*other.field));
  }
  options_ = ours;
  Open();
  EXPECT_EQ(pending_->size(), 2);  // A refusal destroys nothing.
}

TEST_F(PendingTrajectoriesTest, BatchesOfAnotherRunThatWaitForReplayAreRefusedToo) {
  Open();
  AddTwo();
  const std::vector<PendingRecord> records = TakeDue(10);
  ASSERT_TRUE(pending_->Compose(Keys(records), records[0].content.trajectory()).ok());
  ASSERT_EQ(pending_->size(), 0);
  options_.run_id = "run-b";
  EXPECT_EQ(TryOpen().code(), StatusCode::kFailedPrecondition);
}

TEST_F(PendingTrajectoriesTest, AnEmptiedStoreServesTheNextRunUnderAClientOfItsOwn) {
  Open();
  AddTwo();
  ASSERT_TRUE(pending_->Compose(Keys(TakeDue(10)), v1::TrajectoryBatch()).ok());
  options_.run_id = "run-b";
  options_.fresh_incarnation = 78;
  Open();
  EXPECT_EQ(pending_->client_incarnation(), 78u);
}

TEST_F(PendingTrajectoriesTest, ADamagedRecordIsDataLoss) {
  Open();
  AddTwo();
  KeyValueBatch damage;
  damage.Put(TakeDue(1)[0].key, "\xff\xff no protobuf");
  ASSERT_TRUE(store_->Write(damage, false).ok());
  EXPECT_EQ(TryOpen().code(), StatusCode::kDataLoss);
}

TEST_F(PendingTrajectoriesTest, IsFullAtItsBound) {
  options_.max_trajectories = 2;
  Open();
  EXPECT_FALSE(pending_->full());
  AddTwo();
  EXPECT_TRUE(pending_->full());
}

TEST_F(PendingTrajectoriesTest, JoinedTrajectoriesKeepTheirOwnOrigins) {
  Open();
  AddTwo();
  header_.source.set_client_incarnation(0xdef);
  header_.policy.set_version(10);
  AddTwo();
  const std::vector<PendingRecord> records = TakeDue(10);
  ASSERT_EQ(records.size(), 4u);
  std::vector<const v1::PendingTrajectory*> contents;
  for (const PendingRecord& record : records) contents.push_back(&record.content);
  EvaluatedTrajectories columns;
  auto joined = JoinPending(contents);
  ASSERT_TRUE(joined.ok()) << joined.status();
  columns.trajectories = *std::move(joined);
  EXPECT_EQ(columns.trajectories.size(), 4);
  auto batch = EncodeTrajectories(columns, header_);
  ASSERT_TRUE(batch.ok()) << batch.status();
  RestoreProvenance(contents, *batch);
  EXPECT_EQ(batch->sources_size(), 2);
  size_t object = 0, action = 0;
  for (int i = 0; i < 4; ++i) {
    const v1::TrajectoryBatch& own = contents[i]->trajectory();
    EXPECT_EQ(batch->trajectory_numbers(i), own.trajectory_numbers(0));
    EXPECT_EQ(batch->policy_versions(i), own.policy_versions(0));
    EXPECT_EQ(batch->sources(static_cast<int>(batch->source_index(i)) - 1).client_incarnation(),
              own.sources(0).client_incarnation());
    EXPECT_EQ(batch->object_data().substr(object, 1), own.object_data());
    EXPECT_EQ(batch->actions(static_cast<int>(action)), own.actions(0));
    object += 1;
    action += own.lengths(0);
  }
}

}  // namespace
}  // namespace anabranch
