#include "runtime/rpc/weights_service.h"

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "runtime/error_reason.h"
#include "runtime/rpc/grpc_status.h"
#include "runtime/rpc/weight_client.h"
#include "tests/runtime/rpc/weight_fixtures.h"

namespace anabranch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// A call of Watch that is read when the test says so.
class Reader {
 public:
  explicit Reader(v1::WeightsService::Stub& stub, const v1::WatchRequest& request = Request())
      : reader_(stub.Watch(&context_, request)) {}
  ~Reader() {
    if (reader_ == nullptr) return;
    context_.TryCancel();
    for (v1::WatchResponse rest; reader_->Read(&rest);) {
    }
    reader_->Finish();
  }

  static v1::WatchRequest Request() {
    v1::WatchRequest request;
    *request.mutable_handshake() = Ours();
    return request;
  }

  void AwaitConnected() { reader_->WaitForInitialMetadata(); }
  // Such as "1.7"; empty when the stream is over.
  std::string Next() {
    v1::WatchResponse response;
    return reader_->Read(&response) ? VersionName(response.manifest().policy()) : "";
  }
  // After the stream's end.
  absl::Status Finish() { return FromGrpcStatus(std::exchange(reader_, nullptr)->Finish()); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchResponse>> reader_;
};

TEST(WeightsServiceWatch, NewestComesAtOnceAndThenNewerOnes) {
  const auto store = MakeStore();
  MustPut(*store, MakeSnapshot(1, 0, "a"));
  MustPut(*store, MakeSnapshot(1, 1, "b"));
  WeightServer server(*store);
  const auto stub = server.NewStub();
  Reader reader(*stub);
  EXPECT_EQ(reader.Next(), "1.1");
  MustPut(*store, MakeSnapshot(1, 2, "c"));
  EXPECT_EQ(reader.Next(), "1.2");
  MustPut(*store, MakeSnapshot(2, 0, "d"));
  EXPECT_EQ(reader.Next(), "2.0");
}

TEST(WeightsServiceWatch, KnownSnapshotIsNotSentAgain) {
  const auto store = MakeStore();
  MustPut(*store, MakeSnapshot(1, 5, "a"));
  WeightServer server(*store);
  const auto stub = server.NewStub();
  v1::WatchRequest request = Reader::Request();
  *request.mutable_newest_known() = Version(1, 5);
  Reader reader(*stub, request);
  reader.AwaitConnected();
  MustPut(*store, MakeSnapshot(1, 6, "b"));
  EXPECT_EQ(reader.Next(), "1.6");
}

TEST(WeightsServiceWatch, AnotherRunIsRefusedNamingBoth) {
  const auto store = MakeStore();
  WeightServer server(*store);
  const auto stub = server.NewStub();
  v1::WatchRequest request = Reader::Request();
  request.mutable_handshake()->set_run_id("their-run");
  Reader reader(*stub, request);
  EXPECT_EQ(reader.Next(), "");
  const absl::Status status = reader.Finish();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "RUN_MISMATCH");
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("their-run"), HasSubstr("our-run")));
}

// Puts versions `first` to `last` of generation 1, with the same bytes; `each` is called after
// each.
template <typename Each>
void Storm(WeightStore& store, uint64_t first, uint64_t last, const Each& each,
           const std::string& blob_name = "policy.safetensors") {
  HeldSnapshot snapshot = MakeSnapshot(1, 0, "weights");
  snapshot.manifest.mutable_blobs(0)->set_name(blob_name);
  for (uint64_t version = first; version <= last; ++version) {
    snapshot.manifest.mutable_policy()->set_version(version);
    ASSERT_TRUE(store.PutVerified(snapshot.manifest, snapshot.blobs).ok());
    each(version);
  }
}

TEST(WeightsServiceWatch, StormOfPublishesIsAFewNoticesToASlowReaderTheLastOfThemTheNewest) {
  const auto store = MakeStore();
  WeightsServiceOptions options;
  options.min_notice_interval = absl::ZeroDuration();  // Not even pacing helps.
  WeightServer server(*store, options);
  const auto stub = server.NewStub();
  Reader reader(*stub);
  reader.AwaitConnected();
  int64_t notices = 0;
  std::string newest;
  Storm(*store, 1, 10'000, [&](uint64_t version) {
    if (version % 500 != 0) return;  // Slow: one notice for 500 versions.
    newest = reader.Next();
    ++notices;
  });
  for (; newest != "1.10000"; ++notices) {
    newest = reader.Next();
    ASSERT_NE(newest, "");
  }
  // What fits into a connection's window, and what was read during the storm.
  EXPECT_LE(notices, 1000);
}

TEST(WeightsServiceWatch, WatcherThatStopsReadingDelaysNobodyAndStillEndsUpWithTheNewest) {
  const auto store = MakeStore();
  WeightsServiceOptions options;
  options.min_notice_interval = absl::ZeroDuration();
  WeightServer server(*store, options);
  const auto stub = server.NewStub(), other_stub = server.NewStub();
  Reader stopped(*stub), other(*other_stub);
  stopped.AwaitConnected();
  other.AwaitConnected();
  // Notices so large that a few fill the window of the one that doesn't read; the other reads each.
  Storm(
      *store, 1, 200,
      [&](uint64_t version) { ASSERT_EQ(other.Next(), absl::StrCat("1.", version)); },
      std::string(100'000, 'x'));
  int64_t notices = 1;
  while (stopped.Next() != "1.200") ++notices;
  EXPECT_LT(notices, 100);
}

int64_t ThreadsOfThisProcess() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

TEST(WeightsServiceWatch, HundredWatchersAllGetTheLastVersionAndTakeNoThreads) {
  const auto store = MakeStore();
  WeightServer server(*store);
  const auto stub = server.NewStub();
  absl::Mutex mu;
  int64_t wakes = 0;
  const auto wake = [&] {
    absl::MutexLock lock(&mu);
    ++wakes;
  };
  {
    Reader(*stub).AwaitConnected();
  }  // Threads that gRPC starts for the first call are there.
  const int64_t threads = ThreadsOfThisProcess();
  std::vector<std::unique_ptr<WeightWatch>> watches;
  for (int i = 0; i < 100; ++i) {
    watches.push_back(std::make_unique<WeightWatch>(*stub, Reader::Request(), wake));
  }
  Storm(*store, 1, 1000, [&](uint64_t) {});
  std::vector<bool> has_last(watches.size());
  const absl::Time deadline = absl::Now() + kForever;
  for (int64_t seen = 0; std::count(has_last.begin(), has_last.end(), false) > 0;) {
    for (size_t i = 0; i < watches.size(); ++i) {
      const auto notice = watches[i]->TakeNotice();
      if (notice.has_value()) has_last[i] = notice->policy().version() == 1000;
    }
    absl::MutexLock lock(&mu);
    auto woken = [&] { return wakes > seen; };
    if (std::count(has_last.begin(), has_last.end(), false) == 0) break;
    ASSERT_TRUE(mu.AwaitWithDeadline(absl::Condition(&woken), deadline));
    seen = wakes;
  }
  EXPECT_EQ(server.service().watchers(), 100);
  EXPECT_LT(ThreadsOfThisProcess() - threads, 20);
}

TEST(WeightsServiceWatch, ShutdownEndsWatchesAndRefusesNewOnes) {
  const auto store = MakeStore();
  MustPut(*store, MakeSnapshot(1, 0, "a"));
  WeightServer server(*store);
  const auto stub = server.NewStub();
  Reader watching(*stub);
  EXPECT_EQ(watching.Next(), "1.0");
  server.service().Shutdown();
  EXPECT_EQ(server.service().watchers(), 0);
  EXPECT_EQ(watching.Next(), "");
  const absl::Status ended = watching.Finish();
  EXPECT_EQ(ended.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(ended), kReasonDraining);
  Reader late(*stub);
  EXPECT_EQ(late.Next(), "");
  EXPECT_EQ(ReasonOf(late.Finish()), kReasonDraining);
}

TEST(WeightsServiceWatch, WatcherTooManyIsAskedToComeLater) {
  const auto store = MakeStore();
  WeightsServiceOptions options;
  options.max_watchers = 1;
  WeightServer server(*store, options);
  const auto stub = server.NewStub();
  Reader first(*stub);
  first.AwaitConnected();
  Reader second(*stub);
  EXPECT_EQ(second.Next(), "");
  EXPECT_EQ(ReasonOf(second.Finish()), kReasonOverloaded);
}

// A call of Fetch.
class Fetching {
 public:
  Fetching(v1::WeightsService::Stub& stub, const std::string& sha256, uint64_t offset,
           const v1::Handshake& handshake = Ours()) {
    v1::FetchRequest request;
    *request.mutable_handshake() = handshake;
    request.set_sha256(sha256);
    request.set_offset_bytes(offset);
    reader_ = stub.Fetch(&context_, request);
  }
  bool Next(v1::FetchResponse* piece) { return reader_->Read(piece); }
  // Everything that is left.
  std::string Rest() {
    std::string bytes;
    for (v1::FetchResponse piece; Next(&piece);) bytes += piece.data();
    return bytes;
  }
  absl::Status Finish() { return FromGrpcStatus(reader_->Finish()); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::FetchResponse>> reader_;
};

constexpr size_t kMiB = size_t{1} << 20;

TEST(WeightsServiceFetch, BlobComesInPiecesFromTheOffsetOn) {
  const auto store = MakeStore();
  const std::string bytes = Bytes(2 * kMiB + 1000, 1);
  const HeldSnapshot snapshot = MakeSnapshot(1, 0, bytes);
  MustPut(*store, snapshot);
  WeightServer server(*store);
  const auto stub = server.NewStub();
  Fetching fetching(*stub, snapshot.manifest.blobs(0).sha256(), 100);
  std::string got = bytes.substr(0, 100);
  std::vector<size_t> sizes;
  for (v1::FetchResponse piece; fetching.Next(&piece);) {
    EXPECT_EQ(piece.offset_bytes(), got.size());
    EXPECT_EQ(piece.total_bytes(), bytes.size());
    got += piece.data();
    sizes.push_back(piece.data().size());
  }
  EXPECT_TRUE(fetching.Finish().ok());
  EXPECT_EQ(sizes, (std::vector<size_t>{kMiB, kMiB, 900}));
  EXPECT_EQ(got, bytes);
  Fetching nothing(*stub, snapshot.manifest.blobs(0).sha256(), bytes.size());
  EXPECT_EQ(nothing.Rest(), "");
  EXPECT_TRUE(nothing.Finish().ok());
}

TEST(WeightsServiceFetch, BadRequestsAreRefusedByName) {
  const auto store = MakeStore();
  const HeldSnapshot snapshot = MakeSnapshot(1, 0, "four");
  MustPut(*store, snapshot);
  WeightServer server(*store);
  const auto stub = server.NewStub();
  const std::string& sha256 = snapshot.manifest.blobs(0).sha256();

  Fetching gone(*stub, std::string(32, 'x'), 0);
  EXPECT_EQ(gone.Rest(), "");
  EXPECT_EQ(gone.Finish().code(), absl::StatusCode::kNotFound);

  Fetching beyond(*stub, sha256, 5);
  EXPECT_EQ(beyond.Rest(), "");
  const absl::Status status = beyond.Finish();
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(status.message()), HasSubstr("offset_bytes: is 5"));

  v1::Handshake theirs = Ours();
  theirs.set_run_id("their-run");
  Fetching other(*stub, sha256, 0, theirs);
  EXPECT_EQ(other.Rest(), "");
  EXPECT_EQ(ReasonOf(other.Finish()), "RUN_MISMATCH");
  Fetching good(*stub, sha256, 0);
  EXPECT_EQ(good.Rest(), "four");
}

TEST(WeightsServiceFetch, SupersededBlobComesToItsEnd) {
  const auto store = MakeStore();
  const std::string bytes = Bytes(16 * kMiB, 1);
  const std::string sha256 = MakeSnapshot(1, 0, bytes).manifest.blobs(0).sha256();
  MustPut(*store, MakeSnapshot(1, 0, bytes));
  WeightServer server(*store);
  const auto stub = server.NewStub();
  Fetching fetching(*stub, sha256, 0);
  v1::FetchResponse first;
  ASSERT_TRUE(fetching.Next(&first));
  for (int version = 1; version <= 3; ++version) MustPut(*store, MakeSnapshot(1, version, "new"));
  EXPECT_FALSE(store->Find(sha256).ok());
  EXPECT_EQ(first.data() + fetching.Rest(), bytes);
  EXPECT_TRUE(fetching.Finish().ok());
}

TEST(WeightsServiceFetch, ReaderTooFarBehindIsBrokenOffSoThatMemoryIsBounded) {
  const auto store = MakeStore();
  WeightsServiceOptions options;
  options.max_retired_blobs = 1;
  WeightServer server(*store, options);
  std::vector<std::unique_ptr<v1::WeightsService::Stub>> stubs;
  std::vector<std::unique_ptr<Fetching>> stalled;
  std::vector<std::weak_ptr<const std::string>> blobs;
  for (int version = 0; version < 3; ++version) {
    const HeldSnapshot snapshot = MakeSnapshot(1, version, Bytes(16 * kMiB, version));
    blobs.push_back(snapshot.blobs[0]);
    MustPut(*store, snapshot);
    stubs.push_back(server.NewStub());
    stalled.push_back(
        std::make_unique<Fetching>(*stubs.back(), snapshot.manifest.blobs(0).sha256(), 0));
    v1::FetchResponse piece;
    ASSERT_TRUE(stalled.back()->Next(&piece));  // And no more.
  }
  MustPut(*store, MakeSnapshot(1, 3, "new"));
  MustPut(*store, MakeSnapshot(1, 4, "newer"));  // All three are held by their readers alone.
  EXPECT_LT(stalled[0]->Rest().size(), 15 * kMiB);
  EXPECT_EQ(stalled[0]->Finish().code(), absl::StatusCode::kCancelled);
  EXPECT_LT(stalled[1]->Rest().size(), 15 * kMiB);
  EXPECT_EQ(stalled[2]->Rest().size(), 15 * kMiB);
  EXPECT_TRUE(stalled[2]->Finish().ok());
}

// A publication, message by message.
class Publication {
 public:
  explicit Publication(v1::WeightsService::Stub& stub)
      : writer_(stub.Publish(&context_, &response_)) {}
  void Open(const v1::SnapshotManifest& manifest, const v1::Handshake& handshake = Ours()) {
    v1::PublishRequest message;
    *message.mutable_opening()->mutable_handshake() = handshake;
    *message.mutable_opening()->mutable_manifest() = manifest;
    writer_->Write(message);
  }
  void Send(const std::string& sha256, uint64_t offset, const std::string& data) {
    v1::PublishRequest message;
    message.mutable_chunk()->set_sha256(sha256);
    message.mutable_chunk()->set_offset_bytes(offset);
    message.mutable_chunk()->set_data(data);
    writer_->Write(message);
  }
  absl::StatusOr<v1::PolicyVersion> Finish() {
    writer_->WritesDone();
    const grpc::Status status = writer_->Finish();
    if (!status.ok()) return FromGrpcStatus(status);
    return response_.newest();
  }

 private:
  grpc::ClientContext context_;
  v1::PublishResponse response_;
  std::unique_ptr<grpc::ClientWriter<v1::PublishRequest>> writer_;
};

absl::StatusOr<v1::PolicyVersion> Push(v1::WeightsService::Stub& stub,
                                       const HeldSnapshot& snapshot) {
  grpc::ClientContext context;
  return PushSnapshot(stub, context, Ours(), snapshot);
}

class WeightsServicePublish : public testing::Test {
 protected:
  // The publication ended so, and the snapshot before it stays.
  void ExpectRefused(Publication& publication, absl::StatusCode code, absl::string_view reason,
                     const std::string& message) {
    const absl::Status status = publication.Finish().status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_EQ(ReasonOf(status), reason);
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
    EXPECT_EQ(VersionName(store_->Newest()->manifest.policy()), "3.0");
  }
  void SetUp() override { MustPut(*store_, MakeSnapshot(3, 0, "here before")); }

  const std::unique_ptr<WeightStore> store_ = MakeStore();
  WeightServer server_{*store_};
  const std::unique_ptr<v1::WeightsService::Stub> stub_ = server_.NewStub();
  const HeldSnapshot next_ = MakeSnapshot(3, 1, "next");
  const std::string sha256_ = next_.manifest.blobs(0).sha256();
};

TEST_F(WeightsServicePublish, PublishedSnapshotIsNoticedAndFetched) {
  Reader reader(*stub_);
  EXPECT_EQ(reader.Next(), "3.0");
  const std::string bytes = Bytes(3 * kMiB + 4, 9);
  const HeldSnapshot snapshot = MakeSnapshot(3, 1, bytes);
  const auto newest = Push(*stub_, snapshot);
  ASSERT_TRUE(newest.ok()) << newest.status();
  EXPECT_EQ(VersionName(*newest), "3.1");
  EXPECT_EQ(reader.Next(), "3.1");
  EXPECT_EQ(Fetching(*stub_, snapshot.manifest.blobs(0).sha256(), 0).Rest(), bytes);
}

TEST_F(WeightsServicePublish, LearnerOfAnOlderGenerationIsFencedOffNamingBoth) {
  const auto status = Push(*stub_, MakeSnapshot(2, 77, "zombie's")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), kReasonStaleGeneration);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("2.77"), HasSubstr("3.0"), HasSubstr("generation 3")));
}

TEST_F(WeightsServicePublish, ReSentSnapshotIsTakenForDone) {
  ASSERT_TRUE(Push(*stub_, next_).ok());
  const auto again = Push(*stub_, next_);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(VersionName(*again), "3.1");
}

TEST_F(WeightsServicePublish, OvertakenSnapshotIsToldOfTheNewer) {
  ASSERT_TRUE(Push(*stub_, MakeSnapshot(3, 9, "newer")).ok());
  const auto late = Push(*stub_, next_);
  ASSERT_TRUE(late.ok()) << late.status();
  EXPECT_EQ(VersionName(*late), "3.9");
}

TEST_F(WeightsServicePublish, OtherBytesUnderTheSameVersionAreAnotherLearners) {
  const auto status = Push(*stub_, MakeSnapshot(3, 0, "another's")).status();
  EXPECT_EQ(ReasonOf(status), kReasonStaleGeneration);
}

TEST_F(WeightsServicePublish, BlobThatTheHolderHasNeedNotBeSent) {
  HeldSnapshot same_bytes = MakeSnapshot(3, 1, "here before");
  Publication publication(*stub_);
  publication.Open(same_bytes.manifest);
  const auto newest = publication.Finish();
  ASSERT_TRUE(newest.ok()) << newest.status();
  EXPECT_EQ(*store_->Newest()->blobs[0], "here before");
  EXPECT_EQ(VersionName(store_->Newest()->manifest.policy()), "3.1");
}

TEST_F(WeightsServicePublish, ChangedBytesAreCorrupt) {
  Publication publication(*stub_);
  publication.Open(next_.manifest);
  publication.Send(sha256_, 0, "nexT");
  ExpectRefused(publication, absl::StatusCode::kDataLoss, kReasonCorrupt, "policy.safetensors");
}

TEST_F(WeightsServicePublish, MissingBytesAreCorrupt) {
  Publication publication(*stub_);
  publication.Open(next_.manifest);
  publication.Send(sha256_, 0, "nex");
  ExpectRefused(publication, absl::StatusCode::kDataLoss, kReasonCorrupt, "has 3 bytes");
}

TEST_F(WeightsServicePublish, BytesBeyondTheEndAreCorrupt) {
  Publication publication(*stub_);
  publication.Open(next_.manifest);
  publication.Send(sha256_, 0, "next and more");
  ExpectRefused(publication, absl::StatusCode::kDataLoss, kReasonCorrupt, "beyond the 4 bytes");
}

TEST_F(WeightsServicePublish, PieceOutOfOrderNamesItsOffset) {
  Publication publication(*stub_);
  publication.Open(next_.manifest);
  publication.Send(sha256_, 2, "xt");
  ExpectRefused(publication, absl::StatusCode::kInvalidArgument, "OUT_OF_RANGE",
                "offset_bytes: is 2");
}

TEST_F(WeightsServicePublish, PieceOfAnUnknownBlobNamesIt) {
  Publication publication(*stub_);
  publication.Open(next_.manifest);
  publication.Send(std::string(32, 'x'), 0, "what?");
  ExpectRefused(publication, absl::StatusCode::kInvalidArgument, "OUT_OF_RANGE", "chunk.sha256");
}

TEST_F(WeightsServicePublish, ChunkBeforeTheOpeningIsRefused) {
  Publication publication(*stub_);
  publication.Send(sha256_, 0, "next");
  ExpectRefused(publication, absl::StatusCode::kInvalidArgument, "", "message");
}

TEST_F(WeightsServicePublish, SecondOpeningIsRefused) {
  Publication publication(*stub_);
  publication.Open(next_.manifest);
  publication.Open(next_.manifest);
  ExpectRefused(publication, absl::StatusCode::kInvalidArgument, "", "message");
}

TEST_F(WeightsServicePublish, AnotherRunsLearnerIsRefused) {
  v1::Handshake theirs = Ours();
  theirs.set_run_id("their-run");
  Publication publication(*stub_);
  publication.Open(next_.manifest, theirs);
  ExpectRefused(publication, absl::StatusCode::kFailedPrecondition, "RUN_MISMATCH", "their-run");
}

TEST_F(WeightsServicePublish, PublisherThatStallsDoesNotKeepOthersOut) {
  std::vector<std::unique_ptr<Publication>> stalled;
  for (int i = 0; i < WeightsServiceOptions().max_publications; ++i) {
    stalled.push_back(std::make_unique<Publication>(*stub_));
    stalled.back()->Open(next_.manifest);
    stalled.back()->Send(sha256_, 0, "n");
  }
  EXPECT_TRUE(Push(*stub_, next_).ok());
  for (const auto& publication : stalled) {
    // One whose first message the server saw only after the push repeats what is there already.
    const auto newest = publication->Finish();
    EXPECT_TRUE(!newest.ok() || newest->version() == next_.manifest.policy().version())
        << newest.status();
  }
}

TEST(WeightsService, OptionsAreChecked) {
  EXPECT_TRUE(WeightsServiceOptions().Validate().ok());
  EXPECT_FALSE(WeightsServiceOptions{.max_watchers = 0}.Validate().ok());
  EXPECT_FALSE(WeightsServiceOptions{.max_publications = 0}.Validate().ok());
}

}  // namespace
}  // namespace anabranch
