// The replay server over loopback, beside a gRPC service that moves the same messages and does
// nothing with them. Clients and servers share this process, so that processor time is that of both
// sides; it is what counts where other programs keep the machine busy.
//
//   build/release/bin/replay_rpc_benchmark [--objects=1048576]
#include <grpcpp/client_context.h>
#include <sys/resource.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/time/clock.h"
#include "anabranch/v1/replay.grpc.pb.h"
#include "benchmarks/measure.h"
#include "benchmarks/replay_batches.h"
#include "replay/replay_rpc.h"
#include "runtime/rpc/channel.h"
#include "runtime/rpc/remote_clients.h"
#include "runtime/rpc/server.h"

ABSL_FLAG(int, batch, 1024, "trajectories in a batch");
ABSL_FLAG(int, objects, 1 << 20, "distinct objects; at least a batch");
ABSL_FLAG(int, length, 12, "mean actions of a trajectory");
ABSL_FLAG(int, prefetch, 2, "batches that the server may send ahead");
ABSL_FLAG(double, seconds, 1.0, "seconds of each workload in each round");
ABSL_FLAG(int, rounds, 5, "rounds");

namespace anabranch {
namespace {

using benchmarks::kEnvironment;
using benchmarks::kRun;
using benchmarks::MakeInsertBatch;
using benchmarks::Must;
using benchmarks::Rate;

constexpr int kBlock = 32;  // Messages, where every object is new and nothing can be repeated.

v1::Handshake MakeHandshake() {
  v1::Handshake handshake;
  handshake.set_run_id(kRun);
  handshake.set_environment_fingerprint(kEnvironment);
  handshake.mutable_source()->set_client_incarnation(1);
  return handshake;
}

v1::SampleOpening MakeSampleOpening() {
  v1::SampleOpening opening;
  *opening.mutable_handshake() = MakeHandshake();
  opening.set_batch_trajectories(absl::GetFlag(FLAGS_batch));
  opening.set_initial_credit_batches(absl::GetFlag(FLAGS_prefetch));
  opening.add_mixture()->set_table("table");
  opening.mutable_mixture(0)->set_share(1);
  return opening;
}

// What remains if the server does nothing: it reads what comes and answers with what lies ready.
class NoOpService final : public v1::ReplayService::Service {
 public:
  explicit NoOpService(const v1::InsertBatch& batch) {
    v1::SampledBatch& sampled = *sample_.mutable_batch();
    *sampled.mutable_batch() = batch.batch();
    const int n = batch.batch().lengths_size();
    sampled.mutable_item_keys()->Resize(n, 1'000'000);
    sampled.mutable_probabilities()->Resize(n, 1.0);
    sampled.mutable_times_sampled()->Resize(n, 1);
    sampled.set_lease_id(1'000'000);
  }

  grpc::Status Insert(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::InsertResponse, v1::InsertRequest>* stream) override {
    v1::InsertRequest request;
    v1::InsertResponse response;
    while (stream->Read(&request)) {
      response.mutable_acknowledgement()->set_sequence(request.batch().sequence());
      response.mutable_acknowledgement()->set_result(v1::INSERT_RESULT_INSERTED);
      stream->Write(response);
    }
    return grpc::Status::OK;
  }
  grpc::Status Sample(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::SampleResponse, v1::SampleRequest>* stream) override {
    v1::SampleRequest request;
    while (stream->Read(&request)) {
      const uint64_t batches = request.has_opening() ? request.opening().initial_credit_batches()
                                                     : request.credits().batches();
      for (uint64_t i = 0; i < batches; ++i) stream->Write(sample_);
    }
    return grpc::Status::OK;
  }

 private:
  v1::SampleResponse sample_;
};

// A service behind a socket of this machine, and the address of it.
class Listening {
 public:
  explicit Listening(grpc::Service& service) {
    RpcServerOptions options;
    options.listen = "127.0.0.1:0";
    server_ = Must(RpcServer::Start(options, {&service}, nullptr, metrics_, NullLog()));
  }
  std::shared_ptr<grpc::Channel> Connect() const {
    return Must(MakeChannel("benchmark", server_->address(), ChannelOptions{}));
  }

 private:
  Metrics metrics_{"benchmark"};
  std::unique_ptr<RpcServer> server_;
};

using Requests = std::vector<v1::InsertRequest>;

// A client of the service that does nothing, written in the plainest way.
class NoOp {
 public:
  explicit NoOp(const Requests& requests)
      : requests_(requests),
        service_(requests[0].batch()),
        listening_(service_),
        stub_(listening_.Connect()),
        inserts_(stub_.Insert(&insert_context_)),
        samples_(stub_.Sample(&sample_context_)) {
    v1::SampleRequest opening;
    *opening.mutable_opening() = MakeSampleOpening();
    samples_->Write(opening);
  }
  ~NoOp() {
    insert_context_.TryCancel();
    sample_context_.TryCancel();
    inserts_->Finish();
    samples_->Finish();
  }

  double Insert() {
    v1::InsertRequest request = requests_[next_++ % requests_.size()];
    request.mutable_batch()->set_sequence(next_);
    v1::InsertResponse response;
    if (!inserts_->Write(request) || !inserts_->Read(&response)) std::exit(1);
    return request.batch().batch().lengths_size();
  }
  double Sample(bool leased) {
    v1::SampleResponse response;
    if (!samples_->Read(&response)) std::exit(1);
    v1::SampleRequest request;
    if (leased) {
      request.mutable_acknowledgement()->add_lease_ids(response.batch().lease_id());
      samples_->Write(request);
    }
    request.mutable_credits()->set_batches(1);
    samples_->Write(request);
    return response.batch().batch().lengths_size();
  }

 private:
  const Requests& requests_;
  NoOpService service_;
  Listening listening_;
  v1::ReplayService::Stub stub_;
  grpc::ClientContext insert_context_, sample_context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::InsertRequest, v1::InsertResponse>> inserts_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SampleRequest, v1::SampleResponse>> samples_;
  size_t next_ = 0;
};

std::unique_ptr<ReplayService> MakeService(v1::ReplaySelector selector) {
  ReplayServiceOptions options;
  options.run_id = kRun;
  options.environment_fingerprint = kEnvironment;
  options.max_objects = 0;
  ReplayTableOptions& table = options.tables.emplace_back();
  table.name = "table";
  table.selector = selector;
  table.max_times_sampled = selector == v1::REPLAY_SELECTOR_FIFO ? 1 : 0;
  table.max_items = absl::GetFlag(FLAGS_objects);
  table.max_bytes = 0;
  return Must(ReplayService::Create(std::move(options)));
}

// The replay server, and our own client.
class Replay {
 public:
  Replay(const Requests& requests, v1::ReplaySelector selector)
      : requests_(requests),
        service_(MakeService(selector)),
        rpc_(*service_, ReplayRpcOptions{}),
        listening_(rpc_) {
    RemoteReplayOptions options;
    options.prefetch_batches = absl::GetFlag(FLAGS_prefetch);
    client_ = MakeRemoteReplayClient(listening_.Connect(), options, NullLog());
    v1::InsertOpening opening;
    *opening.mutable_handshake() = MakeHandshake();
    inserts_ = Must(client_->OpenInsert(opening));
    samples_ = Must(client_->OpenSample(MakeSampleOpening()));
  }

  double Insert() {
    v1::InsertBatch batch = requests_[next_++ % requests_.size()].batch();
    batch.set_sequence(next_);
    const v1::InsertAcknowledgement answer = Must(inserts_->Insert(std::move(batch)));
    if (answer.result() != v1::INSERT_RESULT_INSERTED) {
      std::fprintf(stderr, "%s\n", answer.refusal().ShortDebugString().c_str());
      std::exit(1);
    }
    return absl::GetFlag(FLAGS_batch);
  }
  double Sample() {
    const v1::SampledBatch batch = Must(samples_->Next());
    samples_->Acknowledge(batch.lease_id());
    return batch.batch().lengths_size();
  }

 private:
  const Requests& requests_;
  std::unique_ptr<ReplayService> service_;
  ReplayRpc rpc_;
  Listening listening_;
  std::unique_ptr<ReplayClient> client_;
  std::unique_ptr<InsertStream> inserts_;
  std::unique_ptr<SampleStream> samples_;
  size_t next_ = 0;
};

double ProcessorSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// A workload that also adds up its processor time.
struct Metered {
  benchmarks::Workload workload;
  double seconds = 0;
  double units = 0;

  benchmarks::Workload Wrap() {
    return {workload.name, workload.unit, [this] {
              const double start = ProcessorSeconds();
              const double done = workload.run();
              seconds += ProcessorSeconds() - start;
              units += done;
              return done;
            }};
  }
  double NanosecondsEach() const { return 1e9 * seconds / units; }
};

// Every object is new: once through all messages, in blocks that alternate.
std::pair<Rate, Rate> MeasureNewObjects(NoOp& no_op, Replay& replay, size_t messages) {
  std::pair<Rate, Rate> rates{{"no-op: insert (the same blocks)", "trajectories", {}},
                              {"replay: insert, every object new", "trajectories", {}}};
  const auto time = [](auto insert) {
    const absl::Time start = absl::Now();
    double trajectories = 0;
    for (int i = 0; i < kBlock; ++i) trajectories += insert();
    return trajectories / absl::ToDoubleSeconds(absl::Now() - start);
  };
  for (size_t done = 0; done + kBlock <= messages; done += kBlock) {
    rates.first.rounds.push_back(time([&] { return no_op.Insert(); }));
    rates.second.rounds.push_back(time([&] { return replay.Insert(); }));
  }
  return rates;
}

void PrintShare(const char* what, const Rate& replay, const Rate& no_op) {
  std::printf("share of no-op, %s: %.2f (budget 0.70)\n", what, RatioOf(replay, no_op).Median());
}

// The first of each pair does nothing.
void PrintProcessorTime(const std::vector<Metered>& metered) {
  for (size_t i = 0; i + 1 < metered.size(); i += 2) {
    const double no_op = metered[i].NanosecondsEach(), replay = metered[i + 1].NanosecondsEach();
    std::printf("processor time, %s: %.0f ns a trajectory, no-op %.0f: share %.2f\n",
                metered[i + 1].workload.name.c_str(), replay, no_op, no_op / replay);
  }
}

void Run() {
  const int n = absl::GetFlag(FLAGS_batch);
  RandomStream random(1, 1);
  Requests requests;
  for (int first = 0; first < absl::GetFlag(FLAGS_objects); first += n) {
    *requests.emplace_back().mutable_batch() =
        MakeInsertBatch(first, n, absl::GetFlag(FLAGS_length), random);
  }
  std::printf("%zu messages of %d trajectories, %zu bytes each\n", requests.size(), n,
              requests[0].ByteSizeLong());
  NoOp no_op(requests);
  Replay uniform(requests, v1::REPLAY_SELECTOR_UNIFORM), fifo(requests, v1::REPLAY_SELECTOR_FIFO);
  const auto [no_op_new, replay_new] = MeasureNewObjects(no_op, uniform, requests.size());
  const std::string unit = "trajectories";
  std::vector<Metered> metered = {
      {{"no-op: insert", unit, [&] { return no_op.Insert(); }}},
      {{"replay: insert", unit, [&] { return uniform.Insert(); }}},
      {{"no-op: sample", unit, [&] { return no_op.Sample(false); }}},
      {{"replay: sample, uniform", unit, [&] { return uniform.Sample(); }}},
      {{"no-op: insert, sample, acknowledge", unit,
        [&] { return no_op.Insert(), no_op.Sample(true); }}},
      {{"replay: insert, sample, acknowledge, fifo used once", unit,
        [&] { return fifo.Insert(), fifo.Sample(); }}}};
  std::vector<benchmarks::Workload> workloads;
  for (Metered& each : metered) workloads.push_back(each.Wrap());
  const std::vector<Rate> rates = benchmarks::MeasureAlternating(
      workloads, absl::GetFlag(FLAGS_seconds), absl::GetFlag(FLAGS_rounds));
  for (const Rate* rate : {&no_op_new, &replay_new}) benchmarks::Print(*rate);
  for (const Rate& rate : rates) benchmarks::Print(rate);
  PrintShare("insert, every object new", replay_new, no_op_new);
  PrintShare("insert", rates[1], rates[0]);
  PrintShare("sample", rates[3], rates[2]);
  PrintShare("insert, sample and acknowledge", rates[5], rates[4]);
  PrintProcessorTime(metered);
}

}  // namespace
}  // namespace anabranch

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("The replay server over gRPC beside a service that does nothing.");
  absl::ParseCommandLine(argc, argv);
  anabranch::Run();
  return 0;
}
