// What a client that speaks the contract by hand, well or badly, gets from the replay server.
#include "replay/replay_rpc.h"

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "runtime/error_reason.h"
#include "runtime/refusal.h"
#include "runtime/rpc/grpc_status.h"
#include "tests/replay/replay_server_for_test.h"

namespace anabranch {
namespace {

using testing::HasSubstr;

// One stream of either kind.
template <typename Request, typename Response>
struct RawStream {
  explicit RawStream(const ReplayServerForTest& server) : stub(server.Channel()) {}
  ~RawStream() {
    if (stream != nullptr) Abandon();
  }
  bool Write(const Request& request) { return stream->Write(request); }
  Response Read() {
    Response response;
    EXPECT_TRUE(stream->Read(&response));
    return response;
  }
  // Reads to the end.
  absl::Status Finish() {
    Response ignored;
    while (stream->Read(&ignored)) continue;
    return FinishNow();
  }
  absl::Status FinishNow() {
    const grpc::Status status = stream->Finish();
    stream.reset();
    return FromGrpcStatus(status);
  }
  // As a process that dies.
  void Abandon() {
    context.TryCancel();
    FinishNow().IgnoreError();
  }

  v1::ReplayService::Stub stub;
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReaderWriter<Request, Response>> stream;
};

struct Inserter : RawStream<v1::InsertRequest, v1::InsertResponse> {
  explicit Inserter(const ReplayServerForTest& server) : RawStream(server) {
    stream = stub.Insert(&context);
  }
  v1::InsertOpened Open(uint64_t client = 7) {
    v1::InsertRequest request;
    *request.mutable_opening()->mutable_handshake() = MakeHandshake(client);
    Write(request);
    return Read().opened();
  }
  bool Send(v1::InsertBatch batch) {
    v1::InsertRequest request;
    *request.mutable_batch() = std::move(batch);
    return Write(request);
  }
  v1::InsertAcknowledgement Insert(v1::InsertBatch batch) {
    Send(std::move(batch));
    return Read().acknowledgement();
  }
};

struct Sampler : RawStream<v1::SampleRequest, v1::SampleResponse> {
  explicit Sampler(const ReplayServerForTest& server) : RawStream(server) {
    stream = stub.Sample(&context);
  }
  v1::SampleOpened Open(uint64_t credits, v1::SampleOpening opening = MakeSampleOpening(1)) {
    opening.set_initial_credit_batches(credits);
    v1::SampleRequest request;
    *request.mutable_opening() = std::move(opening);
    Write(request);
    return Read().opened();
  }
  void Acknowledge(uint64_t lease) {
    v1::SampleRequest request;
    request.mutable_acknowledgement()->add_lease_ids(lease);
    Write(request);
  }
};

void Fill(ReplayService& service, int batches, int size = 1) {
  for (int i = 0; i < batches; ++i) {
    ASSERT_TRUE(
        service.Insert(99, MakeInsert(i + 1, MakeBatch(size, i * size)), absl::InfinitePast())
            .ok());
  }
}

// Four trajectories are taken in, then inserts wait for samples.
ReplayServiceOptions Paced() {
  ReplayServiceOptions options = MakeServiceOptions();
  options.tables[0].pacing.samples_per_insert = 1;
  options.tables[0].pacing.min_size_to_sample = 2;
  options.tables[0].pacing.error_buffer = 2;
  return options;
}

TEST(ReplayRpcTest, BatchesAreAcknowledgedInOrderWithTheirCredit) {
  ReplayServerForTest server;
  Inserter client(server);
  EXPECT_EQ(client.Open().credit_bytes(), static_cast<uint64_t>(kMaxMessageBytes));
  std::vector<uint64_t> sizes;
  for (int i = 0; i < 20; ++i) {
    v1::InsertBatch batch = MakeInsert(i + 1, MakeBatch(1 + i, 100 * i));
    sizes.push_back(batch.ByteSizeLong());
    ASSERT_TRUE(client.Send(std::move(batch)));
  }
  client.stream->WritesDone();
  for (int i = 0; i < 20; ++i) {
    const v1::InsertAcknowledgement answer = client.Read().acknowledgement();
    EXPECT_EQ(answer.sequence(), i + 1u);
    EXPECT_EQ(answer.result(), v1::INSERT_RESULT_INSERTED);
    EXPECT_EQ(answer.credit_bytes(), sizes[i]);
  }
  EXPECT_TRUE(client.Finish().ok());
  EXPECT_EQ(server.Info().acknowledged_trajectories(), 210u);
}

void ExpectRefused(const absl::Status& status, const std::string& text) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(text));
}

TEST(ReplayRpcTest, AnInsertStreamOutOfOrderIsRefusedByName) {
  ReplayServerForTest server;
  {
    Inserter client(server);
    client.Send(MakeInsert(1, MakeBatch(1)));
    ExpectRefused(client.Finish(), "batch: came before the opening");
  }
  {
    Inserter client(server);
    client.Open();
    v1::InsertRequest again;
    *again.mutable_opening()->mutable_handshake() = MakeHandshake();
    client.Write(again);
    ExpectRefused(client.Finish(), "opening: came a second time");
  }
  {
    Inserter client(server);
    client.Open();
    client.Write({});
    ExpectRefused(client.Finish(), "message: is empty");
  }
  {
    Inserter client(server);
    client.stream->WritesDone();
    ExpectRefused(client.Finish(), "opening: is missing");
  }
  {
    Inserter client(server);
    v1::InsertRequest request;
    *request.mutable_opening()->mutable_handshake() = MakeHandshake(0);
    client.Write(request);
    ExpectRefused(client.Finish(), "client_incarnation");
  }
  EXPECT_EQ(server.Info().acknowledged_trajectories(), 0u);
}

TEST(ReplayRpcTest, ASampleStreamOutOfOrderIsRefusedByName) {
  ReplayServerForTest server;
  v1::SampleRequest credits;
  credits.mutable_credits()->set_batches(1);
  {
    Sampler client(server);
    client.Write(credits);
    ExpectRefused(client.Finish(), "credits: came before the opening");
  }
  {
    Sampler client(server);
    client.Open(0);
    v1::SampleRequest again;
    *again.mutable_opening() = MakeSampleOpening(1);
    client.Write(again);
    ExpectRefused(client.Finish(), "opening: came a second time");
  }
  {
    Sampler client(server);
    client.Open(5);  // It waits for a batch meanwhile.
    client.Write({});
    ExpectRefused(client.Finish(), "message: is empty");
  }
  {
    Sampler client(server);
    v1::SampleRequest request;
    *request.mutable_opening() = MakeSampleOpening(std::numeric_limits<uint32_t>::max());
    client.Write(request);
    ExpectRefused(client.Finish(), "batch_trajectories: is 4294967295");
  }
}

TEST(ReplayRpcTest, AClientThatExceedsItsCreditIsRefused) {
  ReplayRpcOptions options;
  options.insert_credit_bytes = 3 * MakeInsert(1, MakeBatch(4)).ByteSizeLong();
  ReplayServerForTest server(Paced(), options);
  Inserter client(server);
  client.Open();
  client.Insert(MakeInsert(1, MakeBatch(4)));
  for (int i = 1; i < 100; ++i) {  // The next of them waits for samples.
    if (!client.Send(MakeInsert(i + 1, MakeBatch(4)))) break;
  }
  const absl::Status status = client.Finish();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("batch: sequence"));
  EXPECT_EQ(server.Info().acknowledged_trajectories(), 4u);
}

TEST(ReplayRpcTest, AClientThatGoesAwayFreesItsInsertAndItsSampleAtOnce) {
  ReplayServerForTest server(Paced());
  {
    Sampler sampler(server);
    sampler.Open(1);  // Waits for inserts.
  }
  ASSERT_TRUE(server.rpc().AwaitNoStreams(absl::InfiniteFuture()));
  {
    Inserter inserter(server);
    inserter.Open();
    inserter.Insert(MakeInsert(1, MakeBatch(4)));
    inserter.Send(MakeInsert(2, MakeBatch(4)));  // Waits for samples.
  }
  ASSERT_TRUE(server.rpc().AwaitNoStreams(absl::InfiniteFuture()));
  EXPECT_EQ(server.Info().acknowledged_trajectories(), 4u);
}

TEST(ReplayRpcTest, LeasesOfAStreamThatBrokeAreAcknowledgedOnAnother) {
  ReplayServerForTest server;
  Fill(server.service(), 3);
  uint64_t lease = 0;
  {
    Sampler client(server);
    client.Open(1);
    lease = client.Read().batch().lease_id();
  }
  ASSERT_TRUE(server.rpc().AwaitNoStreams(absl::InfiniteFuture()));
  EXPECT_EQ(server.service().outstanding_leases(), 1);
  Sampler client(server);
  client.Open(0);
  client.Acknowledge(lease);
  EXPECT_TRUE(server.service().AwaitNoLeases(absl::InfiniteFuture()).ok());
  EXPECT_EQ(server.Info().tables(0).items(), 2u);
}

TEST(ReplayRpcTest, AStreamThatTakesAnothersPlaceGivesBackWhatItDoesNotHold) {
  ReplayServerForTest server;
  Fill(server.service(), 5);
  v1::SampleOpening opening = MakeSampleOpening(1);
  {
    Sampler client(server);
    opening.set_resumed_stream_id(client.Open(3).stream_id());
    client.Read();
    opening.add_held_lease_ids(client.Read().batch().lease_id());
    client.Read();
  }
  Sampler client(server);
  client.Open(4, opening);
  std::set<int> numbers;
  for (int i = 0; i < 4; ++i) numbers.insert(NumberOf(client.Read().batch().batch(), 0));
  EXPECT_EQ(numbers, (std::set<int>{0, 2, 3, 4}));
}

TEST(ReplayRpcTest, LeasesOfADeadClientComeBackWhenTheirTimeIsOver) {
  ReplayServerForTest server;
  Fill(server.service(), 1);
  v1::SampleOpening opening = MakeSampleOpening(1);
  opening.set_lease_timeout_millis(20);
  {
    Sampler client(server);
    EXPECT_EQ(client.Open(1, opening).lease_timeout_millis(), 20u);
    client.Read();
  }
  Sampler client(server);
  client.Open(1);
  EXPECT_EQ(NumberOf(client.Read().batch().batch(), 0), 0);
  EXPECT_EQ(server.service().lease_counts().expired, 1);
}

TEST(ReplayRpcTest, AClientThatSaysThatItIsDoneGivesBackWhatItHasNotAcknowledged) {
  ReplayServerForTest server;
  Fill(server.service(), 10);
  Sampler client(server);
  client.Open(2);
  const uint64_t lease = client.Read().batch().lease_id();
  client.Read();
  client.Acknowledge(lease);
  v1::SampleRequest closing;
  closing.mutable_acknowledgement()->set_closing(true);
  client.Write(closing);
  EXPECT_TRUE(client.Finish().ok());
  ASSERT_TRUE(server.rpc().AwaitNoStreams(absl::InfiniteFuture()));
  EXPECT_EQ(server.service().outstanding_leases(), 0);
  EXPECT_EQ(server.Info().tables(0).items(), 9u);
}

TEST(ReplayRpcTest, AHalfCloseEndsASampleStreamAndLeavesItsLeases) {
  ReplayServerForTest server;
  Fill(server.service(), 10);
  Sampler client(server);
  client.Open(2);
  client.Read();
  client.Read();
  client.stream->WritesDone();
  EXPECT_TRUE(client.Finish().ok());
  ASSERT_TRUE(server.rpc().AwaitNoStreams(absl::InfiniteFuture()));
  EXPECT_EQ(server.service().outstanding_leases(), 2);
}

TEST(ReplayRpcTest, AConsumerThatStopsReadingLeavesTheRestToOthers) {
  constexpr int kBatches = 64, kSize = 8192;  // About 1 MB each.
  ReplayServiceOptions options = MakeServiceOptions();
  options.tables[0].max_items = kBatches * kSize;
  ReplayServerForTest server(options);
  Fill(server.service(), kBatches, kSize);
  Sampler stalled(server);
  stalled.Open(kBatches, MakeSampleOpening(kSize));
  Sampler reading(server);
  reading.Open(kBatches, MakeSampleOpening(kSize));
  for (int i = 0; i < kBatches / 2; ++i) {
    const v1::SampledBatch batch = reading.Read().batch();
    EXPECT_EQ(batch.item_keys_size(), kSize);
    reading.Acknowledge(batch.lease_id());
  }
  Inserter inserter(server);
  inserter.Open();
  EXPECT_EQ(inserter.Insert(MakeInsert(1, MakeBatch(1))).result(), v1::INSERT_RESULT_INSERTED);
}

TEST(ReplayRpcTest, TooManyStreamsAreRefusedForNow) {
  ReplayRpcOptions options;
  options.max_streams = 1;
  ReplayServerForTest server(MakeServiceOptions(), options);
  {
    Inserter first(server);
    first.Open();
    Inserter second(server);
    const absl::Status status = second.Finish();
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    EXPECT_EQ(ReasonOf(status), kReasonOverloaded);
    Sampler sampler(server);
    sampler.Open(0);
  }
  ASSERT_TRUE(server.rpc().AwaitNoStreams(absl::InfiniteFuture()));
  Inserter third(server);
  EXPECT_NE(third.Open().server_incarnation(), 0u);
}

TEST(ReplayRpcTest, DrainingEndsStreamsWithItsReason) {
  ReplayServerForTest server(Paced());
  Inserter waiting(server), idle(server);
  waiting.Open(7);
  waiting.Insert(MakeInsert(1, MakeBatch(4)));
  waiting.Send(MakeInsert(2, MakeBatch(4)));
  idle.Open(8);
  Sampler sampler(server);
  sampler.Open(1);
  const uint64_t lease = sampler.Read().batch().lease_id();
  std::thread drain([&] { EXPECT_TRUE(server.rpc().Drain(absl::InfiniteFuture()).ok()); });
  for (Inserter* inserter : {&waiting, &idle}) {
    const absl::Status status = inserter->Finish();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_EQ(ReasonOf(status), kReasonDraining);
  }
  // Acknowledgements are still heard, on streams that open now, too.
  Sampler late(server);
  EXPECT_NE(late.Open(1).server_incarnation(), 0u);
  late.Acknowledge(lease);
  drain.join();
  for (Sampler* each : {&sampler, &late}) {
    const absl::Status status = each->Finish();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_EQ(ReasonOf(status), kReasonDraining);
  }
  EXPECT_EQ(server.Info().tables(0).items(), 3u);
}

TEST(ReplayRpcTest, DrainingGivesUpOnLeasesAtItsDeadline) {
  ReplayServerForTest server;
  Fill(server.service(), 1);
  Sampler sampler(server);
  sampler.Open(1);
  sampler.Read();
  EXPECT_EQ(server.rpc().Drain(absl::InfinitePast()).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(ReasonOf(sampler.Finish()), kReasonDraining);
}

TEST(ReplayRpcTest, BadBatchesAreRefusedByFieldAndIndexAndTheNextGoodOneIsTaken) {
  ReplayServerForTest server;
  Inserter client(server);
  client.Open();
  struct Case {
    std::string reason, field;
    int64_t index;  // −1: none.
    std::function<void(v1::InsertBatch&)> spoil;
  };
  const std::vector<Case> cases = {
      {std::string(kReasonUnknownTable), "tables", 1,
       [](v1::InsertBatch& batch) {
         batch.add_tables()->set_table("fresh");
         batch.add_tables()->set_table("missing");
       }},
      {std::string(kReasonOutOfRange), "tables[0].priorities", 2,
       [](v1::InsertBatch& batch) {
         v1::TableInsert& table = *batch.add_tables();
         table.set_table("fresh");
         for (const double priority : {1.0, 0.0, -1.0}) table.add_priorities(priority);
       }},
      {std::string(kReasonOutOfRange), "tables[0].priorities", 0,
       [](v1::InsertBatch& batch) {
         v1::TableInsert& table = *batch.add_tables();
         table.set_table("fresh");
         for (int i = 0; i < 3; ++i) table.add_priorities(std::nan(""));
       }},
      {std::string(kReasonEnvironmentMismatch), "environment_fingerprint", -1,
       [](v1::InsertBatch& batch) {
         batch.mutable_batch()->set_environment_fingerprint("grid/2.0.0");
       }},
      {std::string(kReasonRunMismatch), "run_id", -1,
       [](v1::InsertBatch& batch) { batch.mutable_batch()->set_run_id("run-2"); }},
      {std::string(kReasonOutOfRange), "sequence", -1,
       [](v1::InsertBatch& batch) { batch.set_sequence(0); }}};
  uint64_t sequence = 0;
  for (const Case& bad : cases) {
    SCOPED_TRACE(bad.field);
    v1::InsertBatch batch = MakeInsert(++sequence, MakeBatch(3));
    bad.spoil(batch);
    const v1::InsertAcknowledgement answer = client.Insert(std::move(batch));
    EXPECT_EQ(answer.result(), v1::INSERT_RESULT_REFUSED);
    EXPECT_EQ(answer.refusal().reason(), bad.reason);
    EXPECT_EQ(answer.refusal().field(), bad.field);
    EXPECT_EQ(answer.refusal().has_index() ? static_cast<int64_t>(answer.refusal().index()) : -1,
              bad.index);
    EXPECT_FALSE(answer.refusal().message().empty());
  }
  EXPECT_EQ(client.Insert(MakeInsert(++sequence, MakeBatch(3))).result(),
            v1::INSERT_RESULT_INSERTED);
  EXPECT_EQ(server.Info().acknowledged_trajectories(), 3u);
}

TEST(ReplayRpcTest, AnOversizeMessageEndsItsStreamAndNothingElse) {
  ReplayServerForTest server;
  Inserter other(server);
  other.Open(8);
  Inserter client(server);
  client.Open();
  v1::InsertBatch batch = MakeInsert(1, MakeBatch(1));
  batch.mutable_batch()->mutable_object_data()->append(kMaxMessageBytes, 'x');
  client.Send(std::move(batch));
  const absl::Status status = client.Finish();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_EQ(ReasonOf(status), kReasonMessageTooLarge);
  EXPECT_EQ(other.Insert(MakeInsert(1, MakeBatch(1))).result(), v1::INSERT_RESULT_INSERTED);
}

TEST(ReplayRpcTest, GarbageEndsItsStreamAndNothingElse) {
  ReplayServerForTest server;
  grpc::GenericStub stub(server.Channel());
  for (const char* method :
       {"/anabranch.v1.ReplayService/Insert", "/anabranch.v1.ReplayService/Sample",
        "/anabranch.v1.ReplayService/GetInfo"}) {
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    const auto call = stub.PrepareCall(&context, method, &queue);
    const grpc::Slice garbage(std::string(1000, '\xff'));
    grpc::ByteBuffer request(&garbage, 1), response;
    grpc::Status status;
    void* tag;
    bool ok;
    const auto await = [&] { ASSERT_TRUE(queue.Next(&tag, &ok)); };
    call->StartCall(nullptr);
    await();
    call->WriteLast(request, grpc::WriteOptions(), nullptr);
    await();
    call->Finish(&status, nullptr);
    await();
    EXPECT_FALSE(status.ok()) << method;
    EXPECT_NE(status.error_code(), grpc::StatusCode::UNAVAILABLE) << method;
    queue.Shutdown();
    while (queue.Next(&tag, &ok)) continue;
  }
  Inserter client(server);
  client.Open();
  EXPECT_EQ(client.Insert(MakeInsert(1, MakeBatch(1))).result(), v1::INSERT_RESULT_INSERTED);
}

TEST(ReplayRpcTest, BadPrioritiesAreRefusedByIndex) {
  ReplayServiceOptions service = MakeServiceOptions();
  service.tables[0].selector = v1::REPLAY_SELECTOR_PRIORITISED;
  service.tables[0].max_times_sampled = 0;
  ReplayServerForTest server(service);
  Fill(server.service(), 3);
  Sampler sampler(server);
  sampler.Open(1);
  const uint64_t key = sampler.Read().batch().item_keys(0);
  v1::ReplayService::Stub stub(server.Channel());
  for (const double bad : {-1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    v1::UpdatePrioritiesRequest request;
    *request.mutable_handshake() = MakeHandshake();
    request.set_table("fresh");
    for (const double priority : {2.0, bad}) {
      request.add_item_keys(key);
      request.add_priorities(priority);
    }
    grpc::ClientContext context;
    v1::UpdatePrioritiesResponse response;
    ExpectRefused(FromGrpcStatus(stub.UpdatePriorities(&context, request, &response)),
                  "priorities[1]");
  }
}

TEST(ReplayRpcTest, ObjectsComeInPagesEachOnceHoweverLargeTheyAre) {
  ReplayRpcOptions options;
  options.max_page_bytes = 2000;
  ReplayServerForTest server(MakeServiceOptions(), options);
  Fill(server.service(), 1, 300);
  v1::ReplayService::Stub stub(server.Channel());
  for (const uint64_t limit : {0, 250}) {
    v1::QueryObjectsRequest request;
    *request.mutable_handshake() = MakeHandshake();
    request.set_limit(limit);
    grpc::ClientContext context;
    const auto pages = stub.QueryObjects(&context, request);
    v1::QueryObjectsResponse page;
    std::vector<double> rewards;
    int count = 0;
    for (; pages->Read(&page); ++count) {
      EXPECT_LE(page.ByteSizeLong(), options.max_page_bytes);
      for (const double value : page.objects().log_rewards()) rewards.push_back(value);
    }
    EXPECT_TRUE(pages->Finish().ok());
    EXPECT_GT(count, 5);
    ASSERT_EQ(rewards.size(), limit == 0 ? 300u : limit);
    for (size_t i = 0; i < rewards.size(); ++i) {
      EXPECT_EQ(rewards[i], (299.0 - static_cast<double>(i)) / 8);
    }
  }
}

}  // namespace
}  // namespace anabranch
