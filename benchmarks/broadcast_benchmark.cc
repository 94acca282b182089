// How long a snapshot takes from the training loop to four subscribers over loopback, beside a
// gRPC stream of the same bytes that does nothing but have both ends compute the sha256 that names
// and proves a snapshot; and what a hundred watchers cost the one who publishes.
//
//   build/release/bin/broadcast_benchmark [--subscribers=4] [--watchers=100]
#include <grpcpp/create_channel.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "anabranch/v1/weights.grpc.pb.h"
#include "benchmarks/measure.h"
#include "learner/weight_publisher.h"
#include "runtime/components/snapshot_codec.h"
#include "runtime/rpc/channel.h"
#include "runtime/rpc/server.h"
#include "runtime/rpc/weight_subscriber.h"
#include "runtime/rpc/weight_transfers.h"
#include "runtime/rpc/weights_service.h"
#include "runtime/sha256.h"

ABSL_FLAG(int, subscribers, 4, "subscribers that every snapshot is brought to");
ABSL_FLAG(int, watchers, 100, "watchers of one learner");
ABSL_FLAG(int, publishes, 500, "snapshots that are published to the watchers, one a millisecond");
ABSL_FLAG(double, seconds, 1.0, "seconds of each workload in each round");
ABSL_FLAG(int, rounds, 7, "rounds");

namespace anabranch {
namespace {

constexpr double kBudget = 1.3;
constexpr char kRun[] = "benchmark";
constexpr char kEnvironment[] = "none/1.0.0";

template <typename T>
T Must(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  std::fprintf(stderr, "%s\n", value.status().ToString().c_str());
  std::exit(1);
}

void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

v1::Handshake Ours() {
  v1::Handshake handshake;
  handshake.set_run_id(kRun);
  handshake.set_environment_fingerprint(kEnvironment);
  return handshake;
}

Parameters MakeNetwork(int64_t bytes) {
  Parameters parameters;
  parameters.Add("weight", {bytes / 4});
  parameters.Allocate();
  return parameters;
}

// The ceiling: the generated service and stub, messages that lie ready, and nothing checked.
class BareStream {
 public:
  explicit BareStream(size_t bytes) : source_(bytes, 'w'), service_(bytes) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) std::exit(1);
    grpc::ChannelArguments own_connection;
    own_connection.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    for (int i = 0; i < absl::GetFlag(FLAGS_subscribers); ++i) {
      stubs_.push_back(v1::WeightsService::NewStub(grpc::CreateCustomChannel(
          absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials(), own_connection)));
    }
  }

  double Broadcast() {
    if (Sha256Digest(source_).empty()) std::exit(1);
    benchmarks::RunOnThreads(static_cast<int>(stubs_.size()), [&](int i) {
      grpc::ClientContext context;
      const auto reader = stubs_[static_cast<size_t>(i)]->Fetch(&context, v1::FetchRequest());
      Sha256 sha256;
      for (v1::FetchResponse piece; reader->Read(&piece);) sha256.Update(piece.data());
      if (!reader->Finish().ok() || sha256.Finish().empty()) std::exit(1);
    });
    return 1;
  }

 private:
  class Service final : public v1::WeightsService::Service {
   public:
    explicit Service(size_t bytes) {
      for (size_t offset = 0; offset < bytes; offset += kWeightChunkBytes) {
        pieces_.emplace_back().set_data(
            std::string(std::min(kWeightChunkBytes, bytes - offset), 'w'));
      }
    }
    grpc::Status Fetch(grpc::ServerContext*, const v1::FetchRequest*,
                       grpc::ServerWriter<v1::FetchResponse>* writer) override {
      for (const v1::FetchResponse& piece : pieces_) writer->Write(piece);
      return grpc::Status::OK;
    }

   private:
    std::vector<v1::FetchResponse> pieces_;
  };

  const std::string source_;
  Service service_;
  std::unique_ptr<grpc::Server> server_;
  std::vector<std::unique_ptr<v1::WeightsService::Stub>> stubs_;
};

// A learner's side: store, service, server and publisher.
class LearnerSide {
 public:
  explicit LearnerSide(int64_t bytes) : network_(MakeNetwork(bytes)) {
    WeightStoreOptions holding;
    holding.run_id = kRun;
    holding.environment_fingerprint = kEnvironment;
    store_ = Must(WeightStore::Create(holding));
    service_ = std::make_unique<WeightsService>(*store_, WeightsServiceOptions(), NullLog());
    RpcServerOptions options;
    options.listen = "127.0.0.1:0";
    server_ = Must(RpcServer::Start(
        options, {service_.get()}, [](v1::GetStatusResponse&) {}, metrics_, NullLog()));
    WeightPublisherOptions publishing;
    publishing.handshake = Ours();
    publisher_ =
        Must(WeightPublisher::Create(publishing, network_, *store_, {}, NullLog(), metrics_));
    for (std::shared_ptr<WeightSnapshot>& snapshot : snapshots_) {
      snapshot = std::make_shared<WeightSnapshot>();
      snapshot->manifest.set_run_id(kRun);
      snapshot->manifest.set_environment_fingerprint(kEnvironment);
      snapshot->manifest.mutable_policy()->set_generation(1);
      snapshot->schema = network_.Schema();
      snapshot->values.assign(static_cast<size_t>(network_.values().numel()), 0.5f);
    }
  }
  ~LearnerSide() {
    publisher_.reset();
    service_->Shutdown();
    server_.reset();
  }

  // As the training loop does after a step. Returns the version.
  uint64_t Publish() {
    const uint64_t version = next_++;
    // The one before the last: nobody reads it any more.
    const std::shared_ptr<WeightSnapshot>& snapshot = snapshots_[version % 2];
    snapshot->manifest.mutable_policy()->set_version(version);
    Must(publisher_->Publish(snapshot));
    return version;
  }
  std::shared_ptr<grpc::Channel> NewChannel() const {
    return Must(MakeChannel("learner", server_->address(), {}));
  }
  uint64_t next_version() const { return next_; }
  const Parameters& network() const { return network_; }
  WeightPublisher& publisher() { return *publisher_; }
  Metrics& metrics() { return metrics_; }

 private:
  Metrics metrics_{"benchmark"};
  const Parameters network_;
  std::unique_ptr<WeightStore> store_;
  std::unique_ptr<WeightsService> service_;
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<WeightPublisher> publisher_;
  std::shared_ptr<WeightSnapshot> snapshots_[2];
  uint64_t next_ = 0;
};

// A learner and its subscribers; a broadcast ends when the last has decoded the snapshot.
class Broadcast {
 public:
  explicit Broadcast(int64_t bytes) : learner_(bytes), codec_(learner_.network()) {
    for (int i = 0; i < absl::GetFlag(FLAGS_subscribers); ++i) {
      WeightSubscriberOptions options;
      options.handshake = Ours();
      options.schema_sha256 = codec_.schema_sha256();
      auto decode = [this](const v1::SnapshotManifest& manifest, absl::string_view blob) {
        auto snapshot = codec_.Decode(manifest, blob);
        absl::MutexLock lock(&mu_);
        if (manifest.policy().version() == awaited_) ++arrived_;
        return snapshot;
      };
      subscribers_.push_back(Must(WeightSubscriber::Start(
          options, {{"learner", learner_.NewChannel()}}, decode, NullLog(), learner_.metrics())));
    }
    OneSnapshot();
  }
  // Subscribers first: they call into the rest.
  ~Broadcast() { subscribers_.clear(); }

  double OneSnapshot() {
    {
      absl::MutexLock lock(&mu_);
      arrived_ = 0;
      ++awaited_;
    }
    while (learner_.Publish() < awaited_) {
    }
    absl::MutexLock lock(&mu_);
    auto all = [&] { return arrived_ == absl::GetFlag(FLAGS_subscribers); };
    mu_.Await(absl::Condition(&all));
    return 1;
  }

 private:
  LearnerSide learner_;
  const SnapshotCodec codec_;
  absl::Mutex mu_;
  uint64_t awaited_ = 0;
  int arrived_ = 0;
  std::vector<std::unique_ptr<WeightSubscriber>> subscribers_;
};

void RunBroadcast(const std::string& size, int64_t bytes) {
  BareStream bare(static_cast<size_t>(bytes));
  Broadcast broadcast(bytes);
  const double mebibytes = static_cast<double>(bytes) / (1 << 20);
  const std::vector<benchmarks::Rate> rates = benchmarks::MeasureAlternating(
      {{absl::StrCat(size, ", ceiling: bare stream and sha256"), "MiB",
        [&] { return mebibytes * bare.Broadcast(); }},
       {absl::StrCat(size, ", snapshot to ", absl::GetFlag(FLAGS_subscribers), " subscribers"),
        "MiB", [&] { return mebibytes * broadcast.OneSnapshot(); }}},
      absl::GetFlag(FLAGS_seconds), absl::GetFlag(FLAGS_rounds));
  for (const benchmarks::Rate& rate : rates) benchmarks::Print(rate);
  const double times = RatioOf(rates[0], rates[1]).Median();
  std::printf("%s, time beside the ceiling's: %.2f (budget %.1f)\n", size.c_str(), times, kBudget);
}

double Percentile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const auto place = static_cast<size_t>(share * static_cast<double>(values.size() - 1));
  return values[place];
}

// When each version was published, and when each watcher had its notice.
class Latencies {
 public:
  void Publishing(uint64_t version) {
    absl::MutexLock lock(&mu_);
    first_ = std::min(first_, version);
    published_.push_back(absl::Now());
  }
  void Noticed(uint64_t version) {
    const absl::Time now = absl::Now();
    absl::MutexLock lock(&mu_);
    if (version < first_) return;
    const size_t place = version - first_;
    if (place >= published_.size()) return;  // Of what is published later, unmeasured.
    microseconds_.push_back(absl::ToDoubleMicroseconds(now - published_[place]));
  }
  std::vector<double> microseconds() const {
    absl::MutexLock lock(&mu_);
    return microseconds_;
  }
  void AwaitNotices(size_t count) {
    absl::MutexLock lock(&mu_);
    auto enough = [&] { return microseconds_.size() >= count; };
    mu_.Await(absl::Condition(&enough));
  }

 private:
  mutable absl::Mutex mu_;
  uint64_t first_ = ~uint64_t{0};
  std::vector<absl::Time> published_;  // From version first_ on.
  std::vector<double> microseconds_;
};

struct Watching {
  std::unique_ptr<v1::WeightsService::Stub> stub;
  std::unique_ptr<WeightWatch> watch;
};

// Every watcher has a connection of its own, as an actor has. `noticed` is called for each notice.
std::vector<std::unique_ptr<Watching>> Watch(const LearnerSide& learner, int watchers,
                                             Latencies& latencies) {
  v1::WatchRequest request;
  *request.mutable_handshake() = Ours();
  std::vector<std::unique_ptr<Watching>> all;
  for (int i = 0; i < watchers; ++i) {
    auto one = std::make_unique<Watching>();
    one->stub = v1::WeightsService::NewStub(learner.NewChannel());
    auto created = std::make_shared<absl::Notification>();
    one->watch =
        std::make_unique<WeightWatch>(*one->stub, request, [&latencies, raw = one.get(), created] {
          created->WaitForNotification();
          if (const auto notice = raw->watch->TakeNotice()) {
            latencies.Noticed(notice->policy().version());
          }
        });
    created->Notify();
    all.push_back(std::move(one));
  }
  return all;
}

// What a call of Publish costs the training loop, microseconds, at one a millisecond.
std::vector<double> CostOfPublishing(LearnerSide& learner) {
  std::vector<double> microseconds;
  for (int i = 0; i < absl::GetFlag(FLAGS_publishes); ++i) {
    const absl::Time begin = absl::Now();
    learner.Publish();
    microseconds.push_back(absl::ToDoubleMicroseconds(absl::Now() - begin));
    absl::SleepFor(absl::Milliseconds(1));
  }
  return microseconds;
}

void PrintMicroseconds(const std::string& what, const std::vector<double>& values) {
  std::printf("%-52s median %.4g us, 99%% %.4g us, max %.4g us\n", what.c_str(),
              Percentile(values, 0.5), Percentile(values, 0.99), Percentile(values, 1));
}

void RunWatchers() {
  constexpr int64_t kBytes = 300 << 10;  // An MLP of 2 x 256.
  LearnerSide learner(kBytes);
  learner.Publish();
  PrintMicroseconds("publish, 0 watchers:", CostOfPublishing(learner));
  const int watchers = absl::GetFlag(FLAGS_watchers);
  Latencies latencies;
  const auto all = Watch(learner, watchers, latencies);
  constexpr int kNotices = 30;
  const uint64_t first = learner.next_version() - 1;
  for (int i = 1; i <= kNotices; ++i) {
    latencies.Publishing(first + static_cast<uint64_t>(i));
    learner.Publish();
    latencies.AwaitNotices(static_cast<size_t>(i) * static_cast<size_t>(watchers));
    absl::SleepFor(2 * WeightsServiceOptions().min_notice_interval);  // Pacing is not latency.
  }
  PrintMicroseconds(absl::StrCat("publish to notice, ", watchers, " watchers:"),
                    latencies.microseconds());
  PrintMicroseconds(absl::StrCat("publish, ", watchers, " watchers:"), CostOfPublishing(learner));
  const WeightPublisherCounters counters = learner.publisher().counters();
  std::printf("of %lld snapshots %lld were published, %lld overtaken by a newer one\n",
              static_cast<long long>(counters.published + counters.skipped),
              static_cast<long long>(counters.published), static_cast<long long>(counters.skipped));
}

}  // namespace
}  // namespace anabranch

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Broadcast of snapshots beside a bare stream of the same bytes.");
  absl::ParseCommandLine(argc, argv);
  anabranch::RunBroadcast("1 MiB", 1 << 20);
  anabranch::RunBroadcast("64 MiB", 64 << 20);
  anabranch::RunWatchers();
  return 0;
}
