// Priorities, the ledger, generations, and questions to a replay that is away.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "learner/patient_replay.h"
#include "learner/priority_updater.h"
#include "learner/run_generation.h"
#include "learner/training_ledger.h"
#include "runtime/error_reason.h"
#include "tests/runtime/faulty_file_system.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using ::absl::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What replay was asked, answered as told.
class AskedReplay final : public ReplayClient {
 public:
  absl::StatusOr<std::unique_ptr<InsertStream>> OpenInsert(const v1::InsertOpening&) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<std::unique_ptr<SampleStream>> OpenSample(const v1::SampleOpening&) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<v1::QueryObjectsResponse> QueryObjects(const v1::QueryObjectsRequest&) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<v1::GetInfoResponse> GetInfo(const v1::GetInfoRequest&) override {
    absl::MutexLock lock(&mu_);
    ++asked_;
    if (failures_ == 0) return v1::GetInfoResponse();
    --failures_;
    return failure_;
  }
  absl::StatusOr<v1::UpdatePrioritiesResponse> UpdatePriorities(
      const v1::UpdatePrioritiesRequest& request) override {
    absl::MutexLock lock(&mu_);
    ++asked_;
    mu_.Await(absl::Condition(&open_));
    requests_.push_back(request);
    if (failures_ > 0) {
      --failures_;
      return failure_;
    }
    v1::UpdatePrioritiesResponse response;
    response.set_updated(request.item_keys_size());
    return response;
  }

  void Fail(int times, absl::Status status) {
    absl::MutexLock lock(&mu_);
    failures_ = times;
    failure_ = std::move(status);
  }
  void SetOpen(bool open) {
    absl::MutexLock lock(&mu_);
    open_ = open;
  }
  void AwaitAsked(int count) {
    absl::MutexLock lock(&mu_);
    awaited_ = count;
    mu_.Await(absl::Condition(this, &AskedReplay::WasAsked));
  }
  int asked() const {
    absl::MutexLock lock(&mu_);
    return asked_;
  }
  std::vector<v1::UpdatePrioritiesRequest> requests() const {
    absl::MutexLock lock(&mu_);
    return requests_;
  }

 private:
  bool WasAsked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return asked_ >= awaited_; }

  mutable absl::Mutex mu_;
  std::vector<v1::UpdatePrioritiesRequest> requests_ ABSL_GUARDED_BY(mu_);
  int failures_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Status failure_ ABSL_GUARDED_BY(mu_);
  bool open_ ABSL_GUARDED_BY(mu_) = true;
  int asked_ ABSL_GUARDED_BY(mu_) = 0;
  int awaited_ ABSL_GUARDED_BY(mu_) = 0;
};

TEST(PriorityUpdater, NobodyWaitsForASlowReplayAndTheNewestPriorityWins) {
  AskedReplay replay;
  replay.SetOpen(false);
  PriorityUpdater updater({}, replay);
  updater.Add("t", {{1, 0.5}});
  replay.AwaitAsked(1);  // The thread is held up in it.
  updater.Add("t", {{2, 1.0}, {3, 2.0}});
  updater.Add("t", {{2, 7.0}});
  replay.SetOpen(true);
  updater.Flush();
  const auto requests = replay.requests();
  ASSERT_EQ(requests.size(), 2);  // What waited went together.
  EXPECT_THAT(requests[1].item_keys(), ElementsAre(2, 3));
  EXPECT_THAT(requests[1].priorities(), ElementsAre(7.0, 2.0));
  EXPECT_EQ(updater.updated(), 3);
}

TEST(PriorityUpdater, WaitingPrioritiesAreBoundedAndWhatIsDroppedIsCounted) {
  AskedReplay replay;
  replay.SetOpen(false);
  PriorityUpdaterOptions options;
  options.max_pending = 3;
  PriorityUpdater updater(options, replay);
  updater.Add("t", {{1, 1}});
  replay.AwaitAsked(1);
  updater.Add("t", {{2, 1}, {3, 1}, {4, 1}, {5, 1}, {6, 1}});
  EXPECT_EQ(updater.dropped(), 2);
  replay.SetOpen(true);
  updater.Flush();
  EXPECT_EQ(updater.updated(), 4);
}

TEST(PriorityUpdater, InLockStepTheyAreThereWhenAddReturnsAndFailuresAreSaid) {
  AskedReplay replay;
  std::string said;
  PriorityUpdaterOptions options;
  options.synchronous = true;
  options.max_per_request = 2;
  options.warn = [&](absl::string_view message) { said = std::string(message); };
  PriorityUpdater updater(options, replay);
  replay.Fail(1, absl::NotFoundError("no such table"));
  updater.Add("t", {{1, 1}, {2, 1}, {3, 1}});
  EXPECT_EQ(replay.requests().size(), 2);
  EXPECT_EQ(updater.dropped(), 2);
  EXPECT_EQ(updater.updated(), 1);
  EXPECT_THAT(said, HasSubstr("no such table"));
}

TEST(PatientReplay, AsksAgainWhileItIsWorthItAndPatienceLasts) {
  AskedReplay replay;
  absl::Duration waited;
  PatientReplayOptions options;
  options.patience = absl::Seconds(30);
  options.wait = [&](absl::Duration delay) {
    waited += delay;
    return false;
  };
  PatientReplay patient(options, replay);
  replay.Fail(4, absl::UnavailableError("restarting"));
  EXPECT_TRUE(patient.GetInfo({}).ok());
  EXPECT_EQ(replay.asked(), 5);

  waited = absl::ZeroDuration();
  replay.Fail(1'000'000, absl::UnavailableError("gone"));
  EXPECT_EQ(patient.GetInfo({}).status().code(), StatusCode::kUnavailable);
  EXPECT_GE(waited, options.patience);
  EXPECT_LE(waited, options.patience + options.backoff.maximum);
}

TEST(PatientReplay, WhatTheCallerMustChangeIsNotAskedAgainNorIsAnythingAfterAStop) {
  AskedReplay replay;
  bool stop = false;
  PatientReplayOptions options;
  options.wait = [&](absl::Duration) { return stop; };
  PatientReplay patient(options, replay);
  replay.Fail(9, absl::FailedPreconditionError("another run"));
  EXPECT_EQ(patient.GetInfo({}).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(replay.asked(), 1);
  stop = true;
  replay.Fail(9, absl::UnavailableError("gone"));
  EXPECT_EQ(patient.GetInfo({}).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(replay.asked(), 2);
}

class RunGenerationTest : public testing::Test {
 protected:
  const std::string& Directory() const { return directory_.path(); }

 private:
  TemporaryDirectory directory_;
};

TEST_F(RunGenerationTest, EachLearnerTakesAHigherOneAndTheOlderIsFenced) {
  FileSystem* files = PosixFileSystem();
  EXPECT_EQ(*TakeRunGeneration(files, Directory(), "run-a", 1), 1);
  EXPECT_EQ(*TakeRunGeneration(files, Directory(), "run-a", 1), 2);
  EXPECT_EQ(*TakeRunGeneration(files, Directory(), "run-a", 9), 9);
  EXPECT_TRUE(CheckRunGeneration(*files, Directory(), 9).ok());
  const absl::Status old = CheckRunGeneration(*files, Directory(), 2);
  EXPECT_EQ(old.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(old), kReasonStaleGeneration);
  EXPECT_THAT(std::string(old.message()), HasSubstr("generation 9"));
  EXPECT_THAT(std::string(old.message()), HasSubstr("generation 2"));
}

TEST_F(RunGenerationTest, AnotherRunsDirectoryIsRefusedNamingBoth) {
  FileSystem* files = PosixFileSystem();
  ASSERT_TRUE(TakeRunGeneration(files, Directory(), "run-a", 1).ok());
  const absl::Status status = TakeRunGeneration(files, Directory(), "run-b", 1).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("'run-a'"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("'run-b'"));
}

TEST_F(RunGenerationTest, AFileThatIsNotWholeIsDataLossAndNoGenerationIsTaken) {
  FileSystem* files = PosixFileSystem();
  ASSERT_TRUE(files->Write(JoinPath(Directory(), "generation"), "{\"generation\": 3").ok());
  EXPECT_EQ(TakeRunGeneration(files, Directory(), "run-a", 1).status().code(),
            StatusCode::kDataLoss);
}

TEST_F(RunGenerationTest, WhateverWriteFailsTheOldGenerationStays) {
  FileSystem* files = PosixFileSystem();
  ASSERT_TRUE(TakeRunGeneration(files, Directory(), "run-a", 5).ok());
  for (int change = 0; change < 3; ++change) {
    FaultyFileSystem faulty(files);
    faulty.FailAt(faulty.changes() + change, FileFault::kDiskFull);
    EXPECT_FALSE(TakeRunGeneration(&faulty, Directory(), "run-a", 1).ok()) << change;
    EXPECT_EQ(ReadRunGeneration(*files, Directory())->generation, 5) << change;
  }
}

class TrainingLedgerTest : public testing::Test {
 protected:
  const std::string& Directory() const { return directory_.path(); }

 private:
  TemporaryDirectory directory_;
};

TEST_F(TrainingLedgerTest, NamesEveryTrajectoryByClientAndNumberAndGoesOnAfterARestart) {
  const std::string path = JoinPath(Directory(), "ledger.jsonl");
  v1::SampledBatch batch;
  batch.set_lease_id(0xabc);
  v1::TrajectoryBatch& columns = *batch.mutable_batch();
  columns.add_sources()->set_client_incarnation(1);
  columns.add_sources()->set_client_incarnation(0xfedcba9876543210);
  for (const uint64_t number : {5, 9, 6}) columns.add_trajectory_numbers(number);
  for (const uint32_t source : {1, 2, 1}) columns.add_source_index(source);
  ASSERT_TRUE((*TrainingLedger::Open(path))->Append(1, 7, true, batch).ok());
  ASSERT_TRUE((*TrainingLedger::Open(path))->Append(2, 8, false, {}).ok());
  auto text = PosixFileSystem()->Read(path);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, R"({"trained": {"generation": 1, "step": 7, "lease": "0000000000000abc", )"
                   R"("applied": true, "ids": [["0000000000000001", 5], ["fedcba9876543210", 9], )"
                   R"(["0000000000000001", 6]]}})"
                   "\n"
                   R"({"trained": {"generation": 2, "step": 8, "lease": "0000000000000000", )"
                   R"("applied": false, "ids": []}})"
                   "\n");
}

TEST_F(TrainingLedgerTest, AFileThatCantBeOpenedIsNamed) {
  const auto ledger = TrainingLedger::Open(JoinPath(Directory(), "missing/ledger.jsonl"));
  EXPECT_EQ(ledger.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(std::string(ledger.status().message()), HasSubstr("missing/ledger.jsonl"));
}

}  // namespace
}  // namespace anabranch
