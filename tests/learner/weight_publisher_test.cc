#include "learner/weight_publisher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "runtime/error_reason.h"
#include "runtime/safetensors.h"
#include "runtime/sha256.h"
#include "tests/runtime/rpc/weight_fixtures.h"

namespace anabranch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Odd sizes, so that there is padding between them.
Parameters Network(int64_t width = 37) {
  Parameters parameters;
  parameters.Add("trunk.weight", {5, width});
  parameters.Add("head.weight", {width, 2});
  parameters.Add("log_z", {1}, ParameterGroup::kLogZ);
  parameters.Allocate();
  return parameters;
}

// As the learner makes it: each number tells its place and the version.
std::shared_ptr<const WeightSnapshot> Snapshot(const Parameters& parameters, uint64_t generation,
                                               uint64_t version) {
  auto snapshot = std::make_shared<WeightSnapshot>();
  snapshot->manifest.set_run_id(Ours().run_id());
  snapshot->manifest.set_environment_fingerprint(Ours().environment_fingerprint());
  *snapshot->manifest.mutable_policy() = Version(generation, version);
  snapshot->manifest.set_step(version * 10);
  snapshot->schema = parameters.Schema();
  snapshot->values.assign(static_cast<size_t>(parameters.values().numel()), 0.0f);
  for (const ParameterSegment& segment : parameters.segments()) {
    for (int64_t i = 0; i < segment.size; ++i) {
      const int64_t place = segment.offset + i;
      snapshot->values[static_cast<size_t>(place)] =
          0.1f * static_cast<float>(place + 1) + static_cast<float>(version);
    }
  }
  return snapshot;
}

class WeightPublisherTest : public testing::Test {
 protected:
  std::unique_ptr<WeightStore> NewStore(bool knows_schema = true) {
    WeightStoreOptions options = OurStore();
    options.schema_sha256 = knows_schema ? SchemaSha256(network_.Schema()) : "";
    return MakeStore(options);
  }
  std::unique_ptr<WeightPublisher> NewPublisher(WeightStore& store,
                                                std::vector<WeightHolder> holders = {}) {
    WeightPublisherOptions options;
    options.handshake = Ours();
    options.backoff = {.initial = absl::Milliseconds(1), .maximum = absl::Milliseconds(20)};
    options.reoffer_interval = absl::Milliseconds(20);
    auto publisher =
        WeightPublisher::Create(options, network_, store, std::move(holders), NullLog(), metrics_);
    EXPECT_TRUE(publisher.ok()) << publisher.status();
    return *std::move(publisher);
  }
  std::unique_ptr<WeightSubscriber> NewSubscriber(std::vector<WeightHolder> holders) {
    WeightSubscriberOptions options;
    options.handshake = Ours();
    options.schema_sha256 = codec_.schema_sha256();
    auto subscriber = WeightSubscriber::Start(
        options, std::move(holders),
        [this](const v1::SnapshotManifest& manifest, absl::string_view blob) {
          return codec_.Decode(manifest, blob);
        },
        NullLog(), metrics_);
    EXPECT_TRUE(subscriber.ok()) << subscriber.status();
    return *std::move(subscriber);
  }
  // Polls, since the subscriber has no event for it.
  std::shared_ptr<const WeightSnapshot> Await(WeightSubscriber& subscriber, uint64_t version) {
    const absl::Time deadline = absl::Now() + kForever;
    while (absl::Now() < deadline) {
      auto newest = *subscriber.Newest();
      if (newest != nullptr && newest->manifest.policy().version() == version) return newest;
      std::this_thread::yield();
    }
    ADD_FAILURE() << "version " << version << " has not come";
    return nullptr;
  }

  const Parameters network_ = Network();
  const SnapshotCodec codec_{network_};
  Metrics metrics_{"test"};
};

TEST_F(WeightPublisherTest, FirstSnapshotIsThereWhenPublishReturns) {
  const auto store = NewStore();
  const auto publisher = NewPublisher(*store);
  ASSERT_TRUE(publisher->Publish(Snapshot(network_, 1, 0)).ok());
  const auto held = store->Newest();
  ASSERT_NE(held, nullptr);
  ASSERT_EQ(held->manifest.blobs_size(), 1);
  EXPECT_EQ(held->manifest.blobs(0).name(), "policy.safetensors");
  EXPECT_EQ(held->manifest.blobs(0).sha256(), Sha256Digest(*held->blobs[0]));
  EXPECT_EQ(held->manifest.schema_sha256(), Sha256Digest(network_.Schema()));
  auto file = SafetensorsFile::View(*held->blobs[0]);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->tensors().size(), 3u);
  EXPECT_EQ(file->metadata().at("generation"), "1");
}

TEST_F(WeightPublisherTest, ValuesArriveBitByBitDirectlyAndByReplaysCopy) {
  const auto store = NewStore(), replays = NewStore(false);
  WeightServer learner(*store), replay(*replays);
  const auto publisher = NewPublisher(*store, {{"replay", replay.NewChannel()}});
  const auto direct = NewSubscriber({{"learner", learner.NewChannel()}});
  const auto copied = NewSubscriber({{"replay", replay.NewChannel()}});
  for (const uint64_t version : {0, 1, 2}) {
    const auto sent = Snapshot(network_, 1, version);
    ASSERT_TRUE(publisher->Publish(sent).ok());
    for (WeightSubscriber* subscriber : {direct.get(), copied.get()}) {
      const auto got = Await(*subscriber, version);
      ASSERT_NE(got, nullptr);
      ASSERT_EQ(got->values.size(), sent->values.size());
      EXPECT_EQ(
          std::memcmp(got->values.data(), sent->values.data(), sent->values.size() * sizeof(float)),
          0);
      EXPECT_EQ(got->schema, sent->schema);
      EXPECT_EQ(got->manifest.step(), version * 10);
    }
  }
}

TEST_F(WeightPublisherTest, StormLeavesTheNewestEverywhereAndSkipsTheRest) {
  const auto store = NewStore(), replays = NewStore(false);
  WeightServer learner(*store), replay(*replays);
  const auto publisher = NewPublisher(*store, {{"replay", replay.NewChannel()}});
  const auto subscriber = NewSubscriber({{"learner", learner.NewChannel()}});
  constexpr uint64_t kLast = 10'000;
  for (uint64_t version = 0; version <= kLast; ++version) {
    ASSERT_TRUE(publisher->Publish(Snapshot(network_, 1, version)).ok());
  }
  ASSERT_TRUE(publisher->Flush(absl::Now() + kForever).ok());
  EXPECT_EQ(replays->Newest()->manifest.policy().version(), kLast);
  EXPECT_NE(Await(*subscriber, kLast), nullptr);
  const WeightPublisherCounters counters = publisher->counters();
  EXPECT_EQ(counters.published + counters.skipped, static_cast<int64_t>(kLast) + 1);
  EXPECT_LE(counters.pushed, counters.published);
}

TEST_F(WeightPublisherTest, HolderThatIsDownHoldsUpNobodyAndIsServedWhenItIsBack) {
  const auto store = NewStore(), replays = NewStore(false);
  auto replay = std::make_unique<WeightServer>(*replays);
  const std::string address = replay->address();
  replay.reset();
  const auto publisher = NewPublisher(*store, {{"replay", ChannelTo(address)}});
  for (const uint64_t version : {0, 1, 2}) {
    ASSERT_TRUE(publisher->Publish(Snapshot(network_, 1, version)).ok());
  }
  const absl::Status late = publisher->Flush(absl::Now());
  EXPECT_EQ(late.code(), absl::StatusCode::kDeadlineExceeded);
  replay = std::make_unique<WeightServer>(*replays, WeightsServiceOptions(), address);
  ASSERT_TRUE(publisher->Flush(absl::Now() + kForever).ok());
  EXPECT_EQ(VersionName(replays->Newest()->manifest.policy()), "1.2");
}

TEST_F(WeightPublisherTest, HolderThatForgotIsServedAgainThoughNothingNewComes) {
  const auto store = NewStore(), before = NewStore(false), after = NewStore(false);
  auto replay = std::make_unique<WeightServer>(*before);
  const std::string address = replay->address();
  const auto publisher = NewPublisher(*store, {{"replay", ChannelTo(address)}});
  ASSERT_TRUE(publisher->Publish(Snapshot(network_, 1, 0)).ok());
  ASSERT_TRUE(publisher->Flush(absl::Now() + kForever).ok());
  replay.reset();
  replay = std::make_unique<WeightServer>(*after, WeightsServiceOptions(), address);
  const auto subscriber = NewSubscriber({{"replay", ChannelTo(address)}});
  EXPECT_TRUE(subscriber->AwaitFirst(absl::Now() + kForever).ok());
}

TEST_F(WeightPublisherTest, LearnerOfAnOlderGenerationIsFencedByTheHolder) {
  const auto store = NewStore(), replays = NewStore(false);
  WeightServer replay(*replays);
  const auto successor = NewStore();
  const auto newer = NewPublisher(*successor, {{"replay", replay.NewChannel()}});
  ASSERT_TRUE(newer->Publish(Snapshot(network_, 2, 0)).ok());
  ASSERT_TRUE(newer->Flush(absl::Now() + kForever).ok());

  const auto zombie = NewPublisher(*store, {{"replay", replay.NewChannel()}});
  ASSERT_TRUE(zombie->Publish(Snapshot(network_, 1, 41)).ok());  // Nobody has told it yet.
  const absl::Status fenced = zombie->Flush(absl::Now() + kForever);
  EXPECT_EQ(fenced, zombie->fenced());
  EXPECT_EQ(fenced.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(fenced), kReasonStaleGeneration);
  EXPECT_THAT(std::string(fenced.message()),
              AllOf(HasSubstr("generation 2"), HasSubstr("generation 1"), HasSubstr("must stop")));
  EXPECT_EQ(zombie->Publish(Snapshot(network_, 1, 42)), fenced);
  EXPECT_EQ(VersionName(replays->Newest()->manifest.policy()), "2.0");
  EXPECT_TRUE(newer->fenced().ok());
}

TEST_F(WeightPublisherTest, IdleLearnerIsFencedTooWhenASuccessorPublishes) {
  const auto store = NewStore(), replays = NewStore(false), successor = NewStore();
  WeightServer replay(*replays);
  const auto zombie = NewPublisher(*store, {{"replay", replay.NewChannel()}});
  ASSERT_TRUE(zombie->Publish(Snapshot(network_, 1, 0)).ok());
  ASSERT_TRUE(zombie->Flush(absl::Now() + kForever).ok());
  const auto newer = NewPublisher(*successor, {{"replay", replay.NewChannel()}});
  ASSERT_TRUE(newer->Publish(Snapshot(network_, 2, 0)).ok());
  const absl::Time deadline = absl::Now() + kForever;
  while (zombie->fenced().ok() && absl::Now() < deadline) std::this_thread::yield();
  EXPECT_EQ(ReasonOf(zombie->fenced()), kReasonStaleGeneration);
}

TEST_F(WeightPublisherTest, LastSnapshotIsStoredBeforeThePublisherEnds) {
  const auto store = NewStore();
  auto publisher = NewPublisher(*store, {{"replay", ChannelTo("127.0.0.1:1")}});
  for (const uint64_t version : {0, 1, 2, 3}) {
    ASSERT_TRUE(publisher->Publish(Snapshot(network_, 1, version)).ok());
  }
  publisher.reset();
  EXPECT_EQ(store->Newest()->manifest.policy().version(), 3u);
}

TEST_F(WeightPublisherTest, SnapshotOfAnotherNetworkIsRefusedByName) {
  const auto store = NewStore();
  const auto publisher = NewPublisher(*store);
  const absl::Status status = publisher->Publish(Snapshot(Network(8), 1, 0));
  EXPECT_EQ(ReasonOf(status), kReasonSchemaMismatch);
  EXPECT_THAT(std::string(status.message()), HasSubstr("trunk.weight[5,8]"));
  EXPECT_EQ(store->Newest(), nullptr);
}

}  // namespace
}  // namespace anabranch
