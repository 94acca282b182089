#include "runtime/rpc/weight_subscriber.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "runtime/error_reason.h"
#include "runtime/metrics.h"
#include "runtime/rpc/grpc_status.h"
#include "tests/runtime/rpc/weight_fixtures.h"

namespace anabranch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr size_t kMiB = size_t{1} << 20;

// A holder that says and sends what the test wants, true or not.
class LyingHolder final : public v1::WeightsService::Service {
 public:
  ~LyingHolder() override { Leave(); }

  void Notify(const v1::SnapshotManifest& manifest) {
    absl::MutexLock lock(&mu_);
    notices_.push_back(manifest);
  }
  // Calls of Watch end.
  void Leave() {
    absl::MutexLock lock(&mu_);
    left_ = true;
  }
  // Sends these bytes from the asked offset on, and ends so.
  void Serve(std::string bytes, grpc::Status then = grpc::Status::OK) {
    absl::MutexLock lock(&mu_);
    bytes_ = std::move(bytes);
    then_ = std::move(then);
  }
  std::vector<uint64_t> offsets() const {
    absl::MutexLock lock(&mu_);
    return offsets_;
  }

  grpc::Status Watch(grpc::ServerContext*, const v1::WatchRequest*,
                     grpc::ServerWriter<v1::WatchResponse>* writer) override {
    writer->SendInitialMetadata();
    size_t sent = 0;
    for (;;) {
      v1::WatchResponse response;
      {
        absl::MutexLock lock(&mu_);
        auto more = [&] { return left_ || notices_.size() > sent; };
        mu_.Await(absl::Condition(&more));
        if (left_) return {grpc::StatusCode::UNAVAILABLE, "left"};
        *response.mutable_manifest() = notices_[sent++];
      }
      if (!writer->Write(response)) return grpc::Status::CANCELLED;
    }
  }

  grpc::Status Fetch(grpc::ServerContext*, const v1::FetchRequest* request,
                     grpc::ServerWriter<v1::FetchResponse>* writer) override {
    absl::ReleasableMutexLock lock(&mu_);
    offsets_.push_back(request->offset_bytes());
    const std::string bytes = bytes_;
    const grpc::Status then = then_;
    lock.Release();
    for (size_t offset = request->offset_bytes(); offset < bytes.size(); offset += kMiB) {
      v1::FetchResponse response;
      response.set_offset_bytes(offset);
      response.set_total_bytes(bytes.size());
      response.set_data(bytes.substr(offset, kMiB));
      writer->Write(response);
    }
    return then;
  }

 private:
  mutable absl::Mutex mu_;
  std::vector<v1::SnapshotManifest> notices_;
  bool left_ = false;
  std::string bytes_;
  grpc::Status then_;
  std::vector<uint64_t> offsets_;
};

// A subscriber, and ways to wait for what it does.
class Subscriber {
 public:
  explicit Subscriber(std::vector<WeightHolder> holders, DecodeSnapshot decode = DecodeFloats) {
    WeightSubscriberOptions options;
    options.handshake = Ours();
    options.schema_sha256 = Schema();
    options.backoff = {.initial = absl::Milliseconds(1), .maximum = absl::Milliseconds(20)};
    auto started = WeightSubscriber::Start(options, std::move(holders), std::move(decode),
                                           NullLog(), metrics_);
    EXPECT_TRUE(started.ok()) << started.status();
    subscriber_ = *std::move(started);
  }

  WeightSubscriber& operator*() { return *subscriber_; }
  WeightSubscriber* operator->() { return subscriber_.get(); }
  std::string MetricsText() const { return metrics_.Text(); }

  std::shared_ptr<const WeightSnapshot> Newest() { return *subscriber_->Newest(); }
  std::string Version() {
    const auto newest = Newest();
    return newest == nullptr ? "" : VersionName(newest->manifest.policy());
  }
  // Polls, since what is waited for has no event of its own; gives the processor away in between.
  void Await(const std::function<bool()>& done) {
    const absl::Time deadline = absl::Now() + kForever;
    while (!done()) {
      ASSERT_LT(absl::Now(), deadline) << "in use: " << Version();
      std::this_thread::yield();
    }
  }
  void AwaitVersion(const std::string& version) {
    Await([&] { return Version() == version; });
  }
  void AwaitRefusals(int64_t refusals) {
    Await([&] { return subscriber_->counters().refused >= refusals; });
  }
  void AwaitSource(const std::string& name) {
    Await([&] { return subscriber_->counters().source == name; });
  }

 private:
  Metrics metrics_{"actor"};
  std::unique_ptr<WeightSubscriber> subscriber_;
};

TEST(WeightSubscriber, BytesComeThroughAsTheyWere) {
  const auto store = MakeStore();
  const std::string bytes = Bytes(5 * kMiB + 12, 3);
  MustPut(*store, MakeSnapshot(1, 0, bytes));
  WeightServer learner(*store);
  Subscriber subscriber({{"learner", learner.NewChannel()}});
  ASSERT_TRUE(subscriber->AwaitFirst(absl::Now() + kForever).ok());
  EXPECT_EQ(BytesOf(*subscriber.Newest()), bytes);
  EXPECT_EQ(subscriber->counters().fetched_bytes, bytes.size());
  const std::string next = Bytes(5 * kMiB + 12, 4);
  MustPut(*store, MakeSnapshot(1, 1, next));
  subscriber.AwaitVersion("1.1");
  EXPECT_EQ(BytesOf(*subscriber.Newest()), next);
}

TEST(WeightSubscriber, NothingIsInUseBeforeTheFirst) {
  const auto store = MakeStore();
  WeightServer learner(*store);
  Subscriber subscriber({{"learner", learner.NewChannel()}});
  EXPECT_EQ(subscriber.Newest(), nullptr);
  const absl::Status late = subscriber->AwaitFirst(absl::Now());
  EXPECT_EQ(late.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(late.message()), HasSubstr("learner"));
  subscriber->Cancel();
  EXPECT_EQ(subscriber->AwaitFirst(absl::InfiniteFuture()).code(), absl::StatusCode::kCancelled);
}

TEST(WeightSubscriber, StormDuringADecodeIsOneMoreFetch) {
  const auto store = MakeStore();
  WeightServer learner(*store);
  absl::Notification decoding, go_on;
  std::vector<uint64_t> decoded;
  Subscriber subscriber({{"learner", learner.NewChannel()}},
                        [&](const v1::SnapshotManifest& manifest, absl::string_view blob) {
                          decoded.push_back(manifest.policy().version());
                          if (decoded.size() == 1) {
                            decoding.Notify();
                            go_on.WaitForNotification();
                          }
                          return DecodeFloats(manifest, blob);
                        });
  MustPut(*store, MakeSnapshot(1, 1, "1234"));
  decoding.WaitForNotification();
  for (int version = 2; version <= 10'000; ++version) {
    MustPut(*store, MakeSnapshot(1, version, "5678"));
  }
  go_on.Notify();
  subscriber.AwaitVersion("1.10000");
  // Versions between may be seen by a notice that was on its way, but no backlog of them.
  EXPECT_LE(decoded.size(), 100u);
}

TEST(WeightSubscriber, StartsFromReplaysCopyWhileTheLearnerIsDown) {
  const auto store = MakeStore();
  MustPut(*store, MakeSnapshot(1, 7, "copy"));
  WeightServer replay(*store);
  Subscriber subscriber({{"learner", ChannelTo("127.0.0.1:1")}, {"replay", replay.NewChannel()}});
  ASSERT_TRUE(subscriber->AwaitFirst(absl::Now() + kForever).ok());
  EXPECT_EQ(subscriber.Version(), "1.7");
  EXPECT_EQ(subscriber->counters().source, "replay");
}

TEST(WeightSubscriber, FallsBackToReplayAndGoesBackToTheLearner) {
  const auto learners = MakeStore(), replays = MakeStore();
  MustPut(*learners, MakeSnapshot(1, 0, "abcd"));
  auto learner = std::make_unique<WeightServer>(*learners);
  const std::string address = learner->address();
  WeightServer replay(*replays);
  Subscriber subscriber({{"learner", ChannelTo(address)}, {"replay", replay.NewChannel()}});
  subscriber.AwaitVersion("1.0");
  EXPECT_EQ(subscriber->counters().source, "learner");
  learner.reset();
  subscriber.AwaitSource("replay");
  MustPut(*replays, MakeSnapshot(1, 1, "efgh"));
  subscriber.AwaitVersion("1.1");
  MustPut(*learners, MakeSnapshot(2, 0, "ijkl"));
  learner = std::make_unique<WeightServer>(*learners, WeightsServiceOptions(), address);
  subscriber.AwaitVersion("2.0");
  subscriber.AwaitSource("learner");
  subscriber.Await([&] { return replay.service().watchers() == 0; });  // One watch is enough.
}

TEST(WeightSubscriber, OlderSnapshotOfAnotherHolderIsNeverTaken) {
  const auto learners = MakeStore();
  MustPut(*learners, MakeSnapshot(2, 0, "abcd"));
  auto learner = std::make_unique<WeightServer>(*learners);
  LyingHolder replay;
  TestServer replays({&replay});
  Subscriber subscriber({{"learner", learner->NewChannel()}, {"replay", replays.NewChannel()}});
  subscriber.AwaitVersion("2.0");
  replay.Notify(MakeSnapshot(1, 99, "old!").manifest);
  replay.Serve("old!");
  learner.reset();
  subscriber.AwaitRefusals(1);
  EXPECT_EQ(subscriber.Version(), "2.0");
  EXPECT_THAT(subscriber.MetricsText(),
              HasSubstr("anabranch_weights_refused_total{reason=\"STALE_GENERATION\"} 1"));
  EXPECT_TRUE(replay.offsets().empty());  // Not even asked for.
  replay.Leave();
}

class WeightSubscriberWithALiar : public testing::Test {
 protected:
  void SetUp() override {
    const HeldSnapshot first = MakeSnapshot(1, 0, "good");
    holder_.Serve("good");
    holder_.Notify(first.manifest);
    subscriber_ =
        std::make_unique<Subscriber>(std::vector<WeightHolder>{{"learner", server_.NewChannel()}});
    subscriber_->AwaitVersion("1.0");
  }
  void TearDown() override {
    holder_.Leave();
    subscriber_.reset();
  }

  // What is announced is refused for that reason; what was in use stays, and the next good one is
  // taken.
  void ExpectRefused(const v1::SnapshotManifest& manifest, absl::string_view reason) {
    holder_.Notify(manifest);
    subscriber_->AwaitRefusals(1);
    EXPECT_EQ(subscriber_->Version(), "1.0");
    EXPECT_EQ(BytesOf(*subscriber_->Newest()), "good");
    EXPECT_THAT(
        subscriber_->MetricsText(),
        HasSubstr(absl::StrCat("anabranch_weights_refused_total{reason=\"", reason, "\"} 1")));
    holder_.Serve("fine");
    holder_.Notify(MakeSnapshot(1, 2, "fine").manifest);
    subscriber_->AwaitVersion("1.2");
    EXPECT_EQ(BytesOf(*subscriber_->Newest()), "fine");
  }

  LyingHolder holder_;
  TestServer server_{{&holder_}};
  std::unique_ptr<Subscriber> subscriber_;
};

TEST_F(WeightSubscriberWithALiar, ChangedBytesAreRefused) {
  holder_.Serve("bad!");
  ExpectRefused(MakeSnapshot(1, 1, "next").manifest, "CORRUPT");
}

TEST_F(WeightSubscriberWithALiar, TooFewBytesAreRefused) {
  holder_.Serve("nex");
  ExpectRefused(MakeSnapshot(1, 1, "next").manifest, "CORRUPT");
}

TEST_F(WeightSubscriberWithALiar, TooManyBytesAreRefused) {
  holder_.Serve("next one");
  ExpectRefused(MakeSnapshot(1, 1, "next").manifest, "CORRUPT");
}

TEST_F(WeightSubscriberWithALiar, AnotherNetworkIsRefused) {
  v1::SnapshotManifest manifest = MakeSnapshot(1, 1, "next").manifest;
  manifest.set_schema_sha256(std::string(32, 'x'));
  ExpectRefused(manifest, "SCHEMA_MISMATCH");
}

TEST_F(WeightSubscriberWithALiar, AnotherRunIsRefused) {
  v1::SnapshotManifest manifest = MakeSnapshot(1, 1, "next").manifest;
  manifest.set_run_id("their-run");
  ExpectRefused(manifest, "RUN_MISMATCH");
}

TEST_F(WeightSubscriberWithALiar, AnotherEnvironmentIsRefused) {
  v1::SnapshotManifest manifest = MakeSnapshot(1, 1, "next").manifest;
  manifest.set_environment_fingerprint("maze/2");
  ExpectRefused(manifest, "ENVIRONMENT_MISMATCH");
}

TEST_F(WeightSubscriberWithALiar, HugeClaimIsRefusedBeforeItIsFetched) {
  v1::SnapshotManifest manifest = MakeSnapshot(1, 1, "next").manifest;
  manifest.mutable_blobs(0)->set_size_bytes(uint64_t{1} << 60);
  ExpectRefused(manifest, "TOO_LARGE");
}

TEST_F(WeightSubscriberWithALiar, OlderGenerationIsRefused) {
  ExpectRefused(MakeSnapshot(0, 50, "next").manifest, "STALE_GENERATION");
}

TEST(WeightSubscriber, BrokenFetchGoesOnAtItsOffsetAtAnotherHolder) {
  const std::string bytes = Bytes(6 * kMiB, 5);
  const HeldSnapshot snapshot = MakeSnapshot(1, 0, bytes);
  LyingHolder learner, replay;
  TestServer learners({&learner}), replays({&replay});
  learner.Serve(bytes.substr(0, 2 * kMiB), {grpc::StatusCode::UNAVAILABLE, "broken"});
  replay.Serve(bytes);
  learner.Notify(snapshot.manifest);
  Subscriber subscriber({{"learner", learners.NewChannel()}, {"replay", replays.NewChannel()}});
  subscriber.Await([&] { return subscriber->counters().interruptions > 0; });
  replay.Notify(snapshot.manifest);
  learner.Leave();
  subscriber.AwaitVersion("1.0");
  EXPECT_EQ(BytesOf(*subscriber.Newest()), bytes);
  EXPECT_EQ(replay.offsets(), (std::vector<uint64_t>{2 * kMiB}));
  EXPECT_EQ(subscriber->counters().fetched_bytes, bytes.size());  // Nothing came twice.
  replay.Leave();
}

TEST(WeightSubscriber, BrokenFetchGoesOnAtTheSameHolder) {
  const std::string bytes = Bytes(3 * kMiB, 5);
  LyingHolder learner;
  TestServer learners({&learner});
  learner.Serve(bytes.substr(0, kMiB), {grpc::StatusCode::UNAVAILABLE, "broken"});
  learner.Notify(MakeSnapshot(1, 0, bytes).manifest);
  Subscriber subscriber({{"learner", learners.NewChannel()}});
  subscriber.Await([&] { return subscriber->counters().interruptions > 0; });
  learner.Serve(bytes);
  subscriber.AwaitVersion("1.0");
  EXPECT_EQ(BytesOf(*subscriber.Newest()), bytes);
  EXPECT_EQ(learner.offsets().back(), kMiB);
  EXPECT_EQ(subscriber->counters().fetched_bytes, bytes.size());
  learner.Leave();
}

TEST(WeightSubscriber, SetUpForAnotherRunIsToldSoAtOnce) {
  WeightStoreOptions theirs = OurStore();
  theirs.run_id = "their-run";
  const auto store = MakeStore(theirs);
  WeightServer learner(*store);
  Subscriber subscriber({{"learner", learner.NewChannel()}});
  const absl::Status status = subscriber->AwaitFirst(absl::InfiniteFuture());
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "RUN_MISMATCH");
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("their-run"), HasSubstr("our-run")));
}

TEST(WeightSubscriber, SetUpForAnotherNetworkIsToldSoAtOnce) {
  WeightStoreOptions options = OurStore();
  options.schema_sha256.clear();
  const auto store = MakeStore(options);
  HeldSnapshot other = MakeSnapshot(1, 0, "next");
  other.manifest.set_schema_sha256(std::string(32, 'x'));
  MustPut(*store, other);
  WeightServer learner(*store);
  Subscriber subscriber({{"learner", learner.NewChannel()}});
  EXPECT_EQ(ReasonOf(subscriber->AwaitFirst(absl::InfiniteFuture())), kReasonSchemaMismatch);
}

TEST(WeightSubscriber, SnapshotInUseSurvivesAllHolders) {
  const auto store = MakeStore();
  MustPut(*store, MakeSnapshot(1, 0, "good"));
  auto learner = std::make_unique<WeightServer>(*store);
  Subscriber subscriber({{"learner", learner->NewChannel()}});
  subscriber.AwaitVersion("1.0");
  learner.reset();
  subscriber.AwaitSource("");
  EXPECT_EQ(BytesOf(*subscriber.Newest()), "good");
}

TEST(WeightSubscriber, CancelEndsAFetchThatStalls) {
  // Sends its first piece and then nothing, until the call is cancelled.
  class Stalling final : public v1::WeightsService::CallbackService {
   public:
    class Endless final : public grpc::ServerWriteReactor<v1::FetchResponse> {
     public:
      explicit Endless(absl::Notification& begun) : begun_(begun) { StartSendInitialMetadata(); }
      void OnSendInitialMetadataDone(bool) override { begun_.Notify(); }
      void OnCancel() override { Finish(grpc::Status::CANCELLED); }
      void OnDone() override { delete this; }

     private:
      absl::Notification& begun_;
    };
    class Notice final : public grpc::ServerWriteReactor<v1::WatchResponse> {
     public:
      Notice() {
        *response_.mutable_manifest() = MakeSnapshot(1, 0, "never").manifest;
        StartWrite(&response_);
      }
      void OnCancel() override { Finish(grpc::Status::CANCELLED); }
      void OnDone() override { delete this; }

     private:
      v1::WatchResponse response_;
    };
    grpc::ServerWriteReactor<v1::FetchResponse>* Fetch(grpc::CallbackServerContext*,
                                                       const v1::FetchRequest*) override {
      return new Endless(fetching);
    }
    grpc::ServerWriteReactor<v1::WatchResponse>* Watch(grpc::CallbackServerContext*,
                                                       const v1::WatchRequest*) override {
      return new Notice;
    }
    absl::Notification fetching;
  };
  Stalling holder;
  TestServer server({&holder});
  auto subscriber =
      std::make_unique<Subscriber>(std::vector<WeightHolder>{{"learner", server.NewChannel()}});
  holder.fetching.WaitForNotification();
  subscriber.reset();  // Hangs if it doesn't.
}

TEST(WeightSubscriber, OptionsAreChecked) {
  Metrics metrics("actor");
  WeightSubscriberOptions options;
  options.handshake = Ours();
  options.schema_sha256 = "short";
  auto start = [&] {
    return WeightSubscriber::Start(options, {{"learner", ChannelTo("127.0.0.1:1")}}, DecodeFloats,
                                   NullLog(), metrics)
        .status();
  };
  EXPECT_THAT(std::string(start().message()), HasSubstr("schema_sha256 has 5 bytes"));
  options.schema_sha256 = Schema();
  options.handshake.clear_run_id();
  EXPECT_THAT(std::string(start().message()), HasSubstr("run_id"));
}

}  // namespace
}  // namespace anabranch
