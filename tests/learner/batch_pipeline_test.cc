#include "learner/batch_pipeline.h"

#include <gmock/gmock.h>

#include <deque>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "tests/learner/learner_fixture.h"

namespace anabranch {
namespace {

using ::absl::StatusCode;
using ::testing::HasSubstr;

// A stream that is fed by the test and counts what is taken from it.
class FedStream final : public SampleStream {
 public:
  absl::StatusOr<v1::SampledBatch> Next() override {
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(this, &FedStream::HasNext));
    if (cancelled_) return absl::CancelledError("cancelled");
    if (batches_.empty()) return end_;
    v1::SampledBatch batch = std::move(batches_.front());
    batches_.pop_front();
    ++taken_;
    return batch;
  }
  absl::StatusOr<std::optional<v1::SampledBatch>> TryNext() override {
    return absl::UnimplementedError("not asked for by a pipeline");
  }
  void Acknowledge(uint64_t) override {}
  void Cancel() override {
    absl::MutexLock lock(&mu_);
    cancelled_ = true;
  }

  void Feed(v1::TrajectoryBatch batch, uint64_t lease) {
    absl::MutexLock lock(&mu_);
    v1::SampledBatch& sampled = batches_.emplace_back();
    *sampled.mutable_batch() = std::move(batch);
    sampled.set_lease_id(lease);
  }
  void End(absl::Status status) {
    absl::MutexLock lock(&mu_);
    end_ = std::move(status);
  }
  void AwaitTaken(int64_t count) {
    absl::MutexLock lock(&mu_);
    awaited_ = count;
    mu_.Await(absl::Condition(this, &FedStream::HasTaken));
  }
  int64_t taken() const {
    absl::MutexLock lock(&mu_);
    return taken_;
  }

 private:
  bool HasNext() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return cancelled_ || !batches_.empty() || !end_.ok();
  }
  bool HasTaken() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return taken_ >= awaited_; }

  mutable absl::Mutex mu_;
  std::deque<v1::SampledBatch> batches_ ABSL_GUARDED_BY(mu_);
  absl::Status end_ ABSL_GUARDED_BY(mu_);
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  int64_t taken_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t awaited_ ABSL_GUARDED_BY(mu_) = 0;
};

class BatchPipelineTest : public LearnerFixture {
 protected:
  void SetUp() override { SetUpRun(); }

  std::unique_ptr<BatchPipeline> Start(int64_t max_batches, int64_t threads) {
    return Start(max_batches, threads, stream_);
  }
  std::unique_ptr<BatchPipeline> Start(int64_t max_batches, int64_t threads, FedStream& stream) {
    preparer_ = std::make_unique<BatchPreparer>(identity_, *components_.environment,
                                                *components_.shaping, nullptr);
    auto pipeline =
        BatchPipeline::Start({max_batches, threads},
                             components_.environment->spec().observations[0], stream, *preparer_);
    EXPECT_TRUE(pipeline.ok()) << pipeline.status();
    return *std::move(pipeline);
  }

  FedStream stream_;
  std::unique_ptr<BatchPreparer> preparer_;
};

TEST_F(BatchPipelineTest, BatchesComeInTheStreamsOrderWhoeverIsReadyFirst) {
  for (const int64_t threads : {0, 1, 3}) {
    FedStream stream;
    for (uint64_t lease = 1; lease <= 40; ++lease) stream.Feed(MakeBatch(), lease);
    auto pipeline = Start(4, threads, stream);
    for (uint64_t lease = 1; lease <= 40; ++lease) {
      auto batch = pipeline->Next();
      ASSERT_TRUE(batch.ok()) << batch.status();
      ASSERT_EQ((*batch)->sampled.lease_id(), lease);
      ASSERT_EQ((*batch)->size(), kBatch);
      ASSERT_EQ((*batch)->rows.num_trajectories, kBatch);
      pipeline->Recycle(*std::move(batch));
    }
    pipeline.reset();
    EXPECT_EQ(stream.Next().status().code(), StatusCode::kCancelled);  // The pipeline's doing.
  }
}

TEST_F(BatchPipelineTest, FetchesNoMoreThanItMayHold) {
  for (uint64_t lease = 1; lease <= 10; ++lease) stream_.Feed(MakeBatch(), lease);
  auto pipeline = Start(3, 1);
  stream_.AwaitTaken(3);
  ASSERT_TRUE(pipeline->Next().ok());
  stream_.AwaitTaken(4);
  EXPECT_LE(stream_.taken(), 4);
}

TEST_F(BatchPipelineTest, AnErrorComesAfterTheBatchesBeforeItAndStays) {
  stream_.Feed(MakeBatch(), 1);
  stream_.Feed(MakeBatch(), 2);
  stream_.End(absl::FailedPreconditionError("another run"));
  auto pipeline = Start(5, 2);
  EXPECT_TRUE(pipeline->Next().ok());
  EXPECT_TRUE(pipeline->Next().ok());
  EXPECT_EQ(pipeline->Next().status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(pipeline->Next().status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(BatchPipelineTest, ABatchOfAnotherRunIsRefusedNamingBoth) {
  v1::TrajectoryBatch foreign = MakeBatch();
  foreign.set_run_id("run-b");
  stream_.Feed(std::move(foreign), 1);
  auto pipeline = Start(2, 1);
  const absl::Status status = pipeline->Next().status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("'run-b', this learner 'run-a'"));
}

class BatchPreparerTest : public BatchPipelineTest {
 protected:
  PreparedBatch Prepare(v1::TrajectoryBatch batch) {
    ModeCounter* modes = nullptr;
    BatchPreparer preparer(identity_, *components_.environment, *components_.shaping, modes);
    PreparedBatch out(components_.environment->spec().observations[0]);
    v1::SampledBatch sampled;
    *sampled.mutable_batch() = std::move(batch);
    EXPECT_TRUE(preparer.Prepare(std::move(sampled), out).ok());
    return out;
  }
};

TEST_F(BatchPreparerTest, AnIllegalTrajectoryIsLeftOutByIndexAndTheOthersAreAsWithoutIt) {
  v1::TrajectoryBatch batch = MakeBatch();
  const PreparedBatch whole = Prepare(batch);
  uint32_t first = 0;
  for (int i = 0; i < 5; ++i) first += batch.lengths(i);
  batch.set_actions(static_cast<int>(first), 77);
  const PreparedBatch rest = Prepare(batch);
  EXPECT_EQ(rest.illegal, 1);
  EXPECT_EQ(rest.kept, (std::vector<int32_t>{0, 1, 2, 3, 4, 6, 7}));
  EXPECT_THAT(rest.problem, HasSubstr("batch.actions of trajectory 5: "));
  EXPECT_THAT(rest.problem, HasSubstr("action 77 (no such action) is illegal"));
  EXPECT_EQ(rest.rows.rows, whole.rows.rows - static_cast<int64_t>(batch.lengths(5)));
  std::vector<float> expected = whole.log_rewards;
  expected.erase(expected.begin() + 5);
  EXPECT_EQ(rest.log_rewards, expected);
}

TEST_F(BatchPreparerTest, AMalformedBatchIsLeftBehindAsAWhole) {
  v1::TrajectoryBatch batch = MakeBatch();
  batch.add_actions(0);
  const PreparedBatch prepared = Prepare(batch);
  EXPECT_EQ(prepared.size(), 0);
  EXPECT_EQ(prepared.illegal, kBatch);
  EXPECT_THAT(prepared.problem, HasSubstr("actions"));
}

TEST_F(BatchPreparerTest, ModesAreCountedWhetherTheBatchCarriesItsObjectsOrNot) {
  ModeCounter carried(*components_.environment, components_.reward.get());
  ModeCounter rebuilt(*components_.environment, components_.reward.get());
  for (int i = 0; i < 60; ++i) {
    v1::TrajectoryBatch batch = MakeBatch();
    auto decoded = DecodeTrajectories(batch);
    ASSERT_TRUE(decoded.ok());
    Trajectories& trajectories = decoded->columns.trajectories;
    const std::vector<std::string> objects = trajectories.objects;
    carried.Add(trajectories);
    trajectories.objects.clear();
    EXPECT_EQ(TerminalObjects(*components_.environment, trajectories), objects);
    rebuilt.Add(trajectories);
    EXPECT_EQ(carried.num_found(), rebuilt.num_found());
  }
  EXPECT_GT(carried.num_found(), 0);
  EXPECT_EQ(carried.num_modes(), components_.reward->num_modes());
}

}  // namespace
}  // namespace anabranch
