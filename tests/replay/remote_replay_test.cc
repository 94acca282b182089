// The replay client over sockets, against a server whose connections break and which restarts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "runtime/rpc/remote_clients.h"
#include "tests/replay/replay_server_for_test.h"

namespace anabranch {
namespace {

using testing::HasSubstr;

RemoteReplayOptions Options(uint64_t prefetch = 2) {
  RemoteReplayOptions options;
  options.client.backoff.initial = absl::Milliseconds(1);
  options.client.backoff.maximum = absl::Milliseconds(20);
  options.prefetch_batches = prefetch;
  return options;
}

std::unique_ptr<ReplayClient> Connect(const ReplayServerForTest& server, uint64_t prefetch = 2) {
  return MakeRemoteReplayClient(server.Channel(), Options(prefetch), NullLog());
}

v1::InsertOpening Opening(uint64_t client = 7) {
  v1::InsertOpening opening;
  *opening.mutable_handshake() = MakeHandshake(client);
  return opening;
}

// One insert of 4 trajectories per sample of 4: the first insert goes through, and each sample
// admits another.
ReplayServiceOptions Paced() {
  ReplayServiceOptions options = MakeServiceOptions();
  options.tables[0].pacing.samples_per_insert = 1;
  options.tables[0].pacing.min_size_to_sample = 4;
  options.tables[0].pacing.error_buffer = 4;
  return options;
}

std::set<int> NumbersOf(const v1::SampledBatch& batch) {
  std::set<int> numbers;
  for (int i = 0; i < batch.batch().lengths_size(); ++i) {
    numbers.insert(NumberOf(batch.batch(), i));
  }
  return numbers;
}

void Fill(ReplayService& service, int batches, int size) {
  for (int i = 0; i < batches; ++i) {
    const auto answer =
        service.Insert(99, MakeInsert(i + 1, MakeBatch(size, i * size)), absl::InfinitePast());
    ASSERT_TRUE(answer.ok()) << answer.status();
    ASSERT_EQ(answer->result(), v1::INSERT_RESULT_INSERTED);
  }
}

TEST(RemoteInsertTest, WhatIsInsertedIsAcknowledgedAndKept) {
  ReplayServerForTest server;
  auto client = Connect(server);
  auto stream = client->OpenInsert(Opening());
  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_EQ((*stream)->opened().server_incarnation(), server.Info().server_incarnation());
  const auto answer = (*stream)->Insert(MakeInsert(1, MakeBatch(5)));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->result(), v1::INSERT_RESULT_INSERTED);
  EXPECT_EQ(server.Info().acknowledged_trajectories(), 5u);
}

TEST(RemoteInsertTest, GoesOnWhenTheConnectionIsLost) {
  ReplayServerForTest server;
  auto client = Connect(server);
  auto stream = *client->OpenInsert(Opening());
  for (int i = 0; i < 5; ++i) {
    const auto answer = stream->Insert(MakeInsert(i + 1, MakeBatch(3, 3 * i)));
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->result(), v1::INSERT_RESULT_INSERTED);
    server.Stop();
    server.Start();
  }
  EXPECT_EQ(server.Info().tables(0).inserts(), 15u);
  EXPECT_EQ(server.Info().tables(0).duplicates(), 0u);
}

TEST(RemoteInsertTest, ABatchThatWaitsForPacingOutlivesItsConnectionAndCountsOnce) {
  ReplayServerForTest server(Paced());
  auto client = Connect(server);
  auto stream = *client->OpenInsert(Opening());
  int admitted = 0;
  while (server.service()
             .Insert(99, MakeInsert(admitted + 1, MakeBatch(4, 4 * admitted)), absl::InfinitePast())
             .ok()) {
    ++admitted;
  }
  absl::StatusOr<v1::InsertAcknowledgement> answer;
  std::thread actor([&] { answer = stream->Insert(MakeInsert(1, MakeBatch(4, 1000))); });
  for (int i = 0; i < 3; ++i) {
    server.Stop();
    server.Start();
  }
  EXPECT_EQ(server.Info().tables(0).inserts(), 4u * admitted);
  // A sample admits it.
  auto samples = *server.service().OpenSample(MakeSampleOpening(4));
  ASSERT_TRUE(samples->Next().ok());
  actor.join();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->result(), v1::INSERT_RESULT_INSERTED);
  EXPECT_EQ(server.Info().tables(0).inserts(), 4u * (admitted + 1));
}

TEST(RemoteInsertTest, WhatTheServerHadBeforeItWasRestoredIsADuplicate) {
  ReplayServerForTest server;
  auto client = Connect(server);
  auto stream = *client->OpenInsert(Opening());
  ASSERT_TRUE(stream->Insert(MakeInsert(1, MakeBatch(3))).ok());
  const std::string state = *server.service().Save();
  const uint64_t before = stream->opened().server_incarnation();
  server.Stop();
  server.Replace(MakeServiceOptions(), state);
  server.Start();
  // As if the acknowledgement had been lost.
  const auto answer = stream->Insert(MakeInsert(1, MakeBatch(3)));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->result(), v1::INSERT_RESULT_DUPLICATE);
  EXPECT_EQ(server.Info().acknowledged_trajectories(), 3u);
  EXPECT_NE(stream->opened().server_incarnation(), before);
  EXPECT_EQ(stream->opened().acknowledged_sequence(), 1u);
}

TEST(RemoteInsertTest, AServerThatIsNotThereYetIsWaitedFor) {
  ReplayServerForTest server;
  auto client = Connect(server);
  server.Stop();
  auto stream = client->OpenInsert(Opening());
  ASSERT_TRUE(stream.ok()) << stream.status();
  absl::StatusOr<v1::InsertAcknowledgement> answer;
  std::thread actor([&] { answer = (*stream)->Insert(MakeInsert(1, MakeBatch(2))); });
  server.Start();
  actor.join();
  ASSERT_TRUE(answer.ok()) << answer.status();
}

TEST(RemoteInsertTest, AnotherRunIsRefusedWithBothNames) {
  ReplayServerForTest server;
  auto client = Connect(server);
  v1::InsertOpening opening = Opening();
  opening.mutable_handshake()->set_run_id("run-2");
  const auto refused = client->OpenInsert(opening);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("run-2"));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr(kRun));
}

TEST(RemoteInsertTest, AServerOfAnotherRunThatComesBackEndsTheStream) {
  ReplayServerForTest server;
  auto client = Connect(server);
  auto stream = *client->OpenInsert(Opening());
  auto samples = *client->OpenSample(MakeSampleOpening(1));
  server.Stop();
  ReplayServiceOptions other = MakeServiceOptions();
  other.run_id = "run-2";
  server.Replace(std::move(other));
  server.Start();
  for (const absl::Status& status :
       {stream->Insert(MakeInsert(1, MakeBatch(2))).status(), samples->Next().status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("run-2"));
    EXPECT_THAT(std::string(status.message()), HasSubstr(kRun));
  }
}

TEST(RemoteInsertTest, CancelEndsAnInsertThatWaitsForPacing) {
  ReplayServerForTest server(Paced());
  auto client = Connect(server);
  auto stream = *client->OpenInsert(Opening());
  absl::Status end;
  std::thread actor([&] {
    for (int i = 0; end.ok(); ++i) end = stream->Insert(MakeInsert(i + 1, MakeBatch(4))).status();
  });
  stream->Cancel();
  actor.join();
  EXPECT_EQ(end.code(), absl::StatusCode::kCancelled) << end;
}

TEST(RemoteInsertTest, CancelEndsAnInsertThatWaitsForTheServer) {
  ReplayServerForTest server;
  auto client = Connect(server);
  auto stream = *client->OpenInsert(Opening());
  server.Stop();
  absl::Status end;
  std::thread actor([&] { end = stream->Insert(MakeInsert(1, MakeBatch(4))).status(); });
  stream->Cancel();
  actor.join();
  EXPECT_EQ(end.code(), absl::StatusCode::kCancelled) << end;
}

// Reads until `last` batches of one trajectory each came, acknowledging each.
std::multiset<int> Collect(SampleStream& stream, size_t batches) {
  std::multiset<int> numbers;
  for (size_t i = 0; i < batches; ++i) {
    const auto batch = stream.Next();
    EXPECT_TRUE(batch.ok()) << batch.status();
    if (!batch.ok()) break;
    for (const int number : NumbersOf(*batch)) numbers.insert(number);
    stream.Acknowledge(batch->lease_id());
  }
  return numbers;
}

std::multiset<int> Numbers(int first, int end) {
  std::multiset<int> numbers;
  for (int i = first; i < end; ++i) numbers.insert(i);
  return numbers;
}

TEST(RemoteSampleTest, EveryTrajectoryComesOnceAndIsGoneWhenAcknowledged) {
  ReplayServerForTest server;
  Fill(server.service(), 20, 1);
  auto client = Connect(server);
  auto stream = *client->OpenSample(MakeSampleOpening(1));
  EXPECT_EQ(Collect(*stream, 20), Numbers(0, 20));
  EXPECT_TRUE(server.service().AwaitNoLeases(absl::InfiniteFuture()).ok());
  EXPECT_EQ(server.Info().tables(0).items(), 0u);
}

TEST(RemoteSampleTest, NoMoreIsFetchedAheadThanAskedFor) {
  ReplayServerForTest server;
  Fill(server.service(), 20, 1);
  auto client = Connect(server, 3);
  auto stream = *client->OpenSample(MakeSampleOpening(1));
  std::vector<uint64_t> leases;
  for (int i = 0; i < 5; ++i) leases.push_back(stream->Next()->lease_id());
  EXPECT_LE(server.service().outstanding_leases(), 5 + 3);
  for (const uint64_t lease : leases) EXPECT_NE(lease, 0u);
}

TEST(RemoteSampleTest, WhatWasTrainedDuringAnOutageDoesNotComeTwiceAndNothingIsLost) {
  ReplayServerForTest server;
  Fill(server.service(), 12, 1);
  auto client = Connect(server, 3);
  auto stream = *client->OpenSample(MakeSampleOpening(1));
  const auto first = *stream->Next(), second = *stream->Next();
  EXPECT_EQ(NumbersOf(first), std::set<int>{0});
  EXPECT_EQ(NumbersOf(second), std::set<int>{1});
  server.Stop();
  stream->Acknowledge(first.lease_id());
  server.Start();
  // The second is still in our hands; what was fetched ahead of it is handed out again.
  EXPECT_EQ(Collect(*stream, 10), Numbers(2, 12));
  stream->Acknowledge(second.lease_id());
  EXPECT_TRUE(server.service().AwaitNoLeases(absl::InfiniteFuture()).ok());
  EXPECT_EQ(server.Info().tables(0).items(), 0u);
  EXPECT_EQ(server.Info().tables(0).samples(), 12u);
}

TEST(RemoteSampleTest, ManyLostConnectionsLoseAndRepeatNothing) {
  ReplayServerForTest server;
  Fill(server.service(), 60, 1);
  auto client = Connect(server, 4);
  auto stream = *client->OpenSample(MakeSampleOpening(1));
  std::multiset<int> all;
  for (int round = 0; round < 6; ++round) {
    all.merge(Collect(*stream, 10));
    server.Stop();
    server.Start();
  }
  EXPECT_EQ(all, Numbers(0, 60));
  EXPECT_TRUE(server.service().AwaitNoLeases(absl::InfiniteFuture()).ok());
  EXPECT_EQ(server.Info().tables(0).items(), 0u);
}

TEST(RemoteSampleTest, ADrainedAndRestoredServerLosesAndRepeatsNothing) {
  ReplayServerForTest server;
  Fill(server.service(), 20, 1);
  auto client = Connect(server, 3);
  auto stream = *client->OpenSample(MakeSampleOpening(1));
  std::multiset<int> all = Collect(*stream, 7);
  absl::Status drained;
  std::atomic<bool> over = false;
  std::thread drain([&] {
    drained = server.rpc().Drain(absl::InfiniteFuture());
    over = true;
  });
  // What was fetched ahead is trained on while the server drains.
  while (!over) {
    const auto batch = stream->TryNext();
    ASSERT_TRUE(batch.ok()) << batch.status();
    if (!batch->has_value()) continue;
    for (const int number : NumbersOf(**batch)) all.insert(number);
    stream->Acknowledge((*batch)->lease_id());
  }
  drain.join();
  EXPECT_TRUE(drained.ok()) << drained;
  const std::string state = *server.service().Save();
  server.Stop();
  server.Replace(MakeServiceOptions(), state);
  server.Start();
  all.merge(Collect(*stream, 20 - all.size()));
  EXPECT_EQ(all, Numbers(0, 20));
}

TEST(RemoteSampleTest, LeasesOfAnEarlierStartAreNotAcknowledgedToALaterOne) {
  ReplayServerForTest server;
  Fill(server.service(), 4, 1);
  auto client = Connect(server, 1);
  auto stream = *client->OpenSample(MakeSampleOpening(1));
  const auto held = *stream->Next();
  const std::string state = *server.service().Save();
  server.Stop();
  server.Replace(MakeServiceOptions(), state);
  server.Start();
  const auto again = *stream->Next();
  EXPECT_EQ(NumbersOf(again), NumbersOf(held));
  stream->Acknowledge(held.lease_id());
  Collect(*stream, 3);
  EXPECT_EQ(server.service().lease_counts().unknown, 0);
  stream->Acknowledge(again.lease_id());
  EXPECT_TRUE(server.service().AwaitNoLeases(absl::InfiniteFuture()).ok());
}

TEST(RemoteSampleTest, AStreamThatGoesGivesBackWhatItHeldAtOnce) {
  ReplayServerForTest server;
  Fill(server.service(), 10, 1);
  auto client = Connect(server, 4);
  for (int i = 0; i < 5; ++i) {
    auto stream = *client->OpenSample(MakeSampleOpening(1));
    EXPECT_EQ(NumbersOf(*stream->Next()), std::set<int>{0});
    EXPECT_EQ(NumbersOf(*stream->Next()), std::set<int>{1});
  }
  ASSERT_TRUE(server.rpc().AwaitNoStreams(absl::InfiniteFuture()));
  EXPECT_EQ(server.service().outstanding_leases(), 0);
  EXPECT_EQ(server.Info().tables(0).items(), 10u);
  EXPECT_EQ(server.Info().tables(0).samples(), 0u);
}

TEST(RemoteSampleTest, CancelEndsANextThatWaits) {
  ReplayServerForTest server;
  auto client = Connect(server);
  auto stream = *client->OpenSample(MakeSampleOpening(1));
  absl::Status end;
  std::thread learner([&] { end = stream->Next().status(); });
  stream->Cancel();
  learner.join();
  EXPECT_EQ(end.code(), absl::StatusCode::kCancelled) << end;
  EXPECT_EQ(stream->TryNext().status().code(), absl::StatusCode::kCancelled);
}

TEST(RemoteSampleTest, AStreamOfADeadServerCanGo) {
  ReplayServerForTest server;
  auto client = Connect(server);
  auto stream = *client->OpenSample(MakeSampleOpening(1));
  server.Stop();
  stream.reset();
  auto unopened = client->OpenSample(MakeSampleOpening(1));
  ASSERT_TRUE(unopened.ok()) << unopened.status();
}

TEST(RemoteSampleTest, AnUnknownTableIsAnErrorOfTheOpening) {
  ReplayServerForTest server;
  auto client = Connect(server);
  v1::SampleOpening opening = MakeSampleOpening(1);
  opening.mutable_mixture(0)->set_table("missing");
  const auto stream = client->OpenSample(opening);
  EXPECT_EQ(stream.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(stream.status().message()), HasSubstr("mixture[0].table"));
}

TEST(RemoteSampleTest, UnleasedBatchesFetchedAheadSurviveALostConnection) {
  ReplayServiceOptions options = MakeServiceOptions();
  options.tables[0].selector = v1::REPLAY_SELECTOR_UNIFORM;
  options.tables[0].max_times_sampled = 0;
  ReplayServerForTest server(options);
  Fill(server.service(), 5, 1);
  auto client = Connect(server, 1);
  auto stream = *client->OpenSample(MakeSampleOpening(1));
  // Sampled, so it is here or on its way.
  ASSERT_TRUE(stream->Next().ok());
  server.Stop();
  server.Start();
  for (int i = 0; i < 20; ++i) {
    const auto batch = stream->Next();
    ASSERT_TRUE(batch.ok()) << batch.status();
    EXPECT_EQ(batch->lease_id(), 0u);
    stream->Acknowledge(batch->lease_id());
  }
}

TEST(RemoteReplayTest, CallsThatAnswerOnceAreTriedOnce) {
  ReplayServerForTest server;
  Fill(server.service(), 1, 5);
  auto client = Connect(server);
  v1::GetInfoRequest info;
  *info.mutable_handshake() = MakeHandshake();
  EXPECT_EQ(client->GetInfo(info)->objects(), 5u);
  v1::QueryObjectsRequest query;
  *query.mutable_handshake() = MakeHandshake();
  query.set_limit(3);
  const auto page = client->QueryObjects(query);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->objects().statuses_size(), 3);
  query.mutable_handshake()->set_run_id("run-2");
  EXPECT_EQ(client->QueryObjects(query).status().code(), absl::StatusCode::kFailedPrecondition);
  v1::UpdatePrioritiesRequest update;
  *update.mutable_handshake() = MakeHandshake();
  update.set_table("missing");
  EXPECT_EQ(client->UpdatePriorities(update).status().code(), absl::StatusCode::kNotFound);
  server.Stop();
  EXPECT_EQ(client->GetInfo(info).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(client->QueryObjects(query).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(client->UpdatePriorities(update).status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace anabranch
