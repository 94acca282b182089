// The gateway in front of an oracle that costs nothing, over loopback gRPC: client → gateway →
// oracle, batches of 1024, beside a bare service that moves the same messages and computes nothing
// (client → service): the ceiling for one hop. Clients, gateway and oracle share this process and
// its processors.
//
//   taskset -c 0,1 build/release/bin/gateway_benchmark [--batch=1024] [--callers=4]
#include <sys/resource.h>

#include <atomic>
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
#include "absl/time/clock.h"
#include "benchmarks/measure.h"
#include "gflownet/environment/key.h"
#include "reward/oracle_stack.h"
#include "reward/reward_rpc.h"
#include "runtime/metrics.h"
#include "runtime/rpc/channel.h"
#include "runtime/rpc/remote_reward.h"
#include "runtime/rpc/server.h"

ABSL_FLAG(int, batch, 1024, "objects in a request");
ABSL_FLAG(int, callers, 4, "requests under way at a time");
ABSL_FLAG(int, bytes, 16, "bytes of an object");
ABSL_FLAG(int, requests, 64, "requests in each measurement");
ABSL_FLAG(int, rounds, 7, "rounds");
ABSL_FLAG(int64_t, cache_objects, 1'000'000, "answers kept; 0 keeps none");
ABSL_FLAG(std::string, state, "", "directory for results that outlive the process; empty: none");

namespace anabranch {
namespace {

using benchmarks::Rate;

constexpr char kFormat[] = "anabranch.hypergrid.v1";

template <typename T>
T Must(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  std::fprintf(stderr, "%s\n", std::string(value.status().message()).c_str());
  std::exit(1);
}

// One objective, always 1: nothing to compute.
class FreeOracle final : public RewardClient {
 public:
  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest&) override {
    v1::DescribeResponse out;
    out.set_name("free");
    out.set_fingerprint("free/1");
    out.add_objectives()->set_name("value");
    out.set_deterministic(true);
    out.set_preferred_batch_objects(absl::GetFlag(FLAGS_batch));
    return out;
  }
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override {
    v1::EvaluateResponse out;
    out.set_request_id(request.request_id());
    out.set_fingerprint("free/1");
    out.add_objectives("value");
    out.mutable_statuses()->Resize(request.objects_size(), v1::OBJECT_STATUS_OK);
    out.mutable_raw_values()->Resize(request.objects_size(), 1.0);
    return out;
  }
};

// A reward service behind a socket of this machine.
class Listening {
 public:
  explicit Listening(RewardClient& oracle) : rpc_(oracle, NullLog()) {
    RpcServerOptions options;
    options.listen = "127.0.0.1:0";
    server_ = Must(RpcServer::Start(options, {&rpc_}, nullptr, metrics_, NullLog()));
    server_->SetServing();
  }
  const std::string& address() const { return server_->address(); }
  std::unique_ptr<RemoteReward> Connect() const {
    return std::make_unique<RemoteReward>(Must(MakeChannel("benchmark", address(), {})),
                                          RemoteClientOptions());
  }

 private:
  Metrics metrics_{"benchmark"};
  RewardRpc rpc_;
  std::unique_ptr<RpcServer> server_;
};

v1::RunConfig MakeConfig(const std::string& address) {
  v1::RunConfig config;
  config.mutable_environment()->mutable_hypergrid()->set_dimensions(2);
  config.mutable_environment()->mutable_hypergrid()->set_side(8);
  config.mutable_reward_shaping()->add_objectives()->set_name("value");
  v1::OracleConfig& oracle = *config.mutable_reward()->add_oracles();
  oracle.set_name("free");
  oracle.mutable_grpc()->add_addresses(address);
  oracle.set_max_wait_seconds(0.005);
  oracle.set_max_in_flight(8);
  oracle.set_timeout_seconds(60);
  oracle.set_max_tries(4);
  oracle.mutable_circuit()->set_failures(5);
  oracle.mutable_circuit()->set_open_seconds(2);
  return config;
}

// The gateway as its process serves it.
class Gateway {
 public:
  explicit Gateway(const std::string& oracle) {
    OracleStackOptions options;
    options.cache_objects = absl::GetFlag(FLAGS_cache_objects);
    options.state = absl::GetFlag(FLAGS_state);
    stack_ = Must(OracleStack::Create(MakeConfig(oracle), options, metrics_, NullLog()));
    Must(stack_->top().Describe({}));
    listening_ = std::make_unique<Listening>(stack_->top());
  }
  std::unique_ptr<RemoteReward> Connect() const { return listening_->Connect(); }

 private:
  Metrics metrics_{"reward"};
  std::unique_ptr<OracleStack> stack_;
  std::unique_ptr<Listening> listening_;
};

// Requests as actors make them. `first` numbers the first object.
std::vector<v1::EvaluateRequest> MakeRequests(int64_t first, int count) {
  const int n = absl::GetFlag(FLAGS_batch);
  std::vector<v1::EvaluateRequest> requests(count);
  for (v1::EvaluateRequest& request : requests) {
    request.set_request_id(absl::StrCat("batch-", first));
    request.set_format(kFormat);
    request.add_objectives("value");
    request.set_run_id("benchmark");
    for (int i = 0; i < n; ++i, ++first) {
      std::string object = absl::StrCat(first);
      object.resize(absl::GetFlag(FLAGS_bytes), '.');
      v1::RewardObject& out = *request.add_objects();
      out.set_object_key(ObjectKey::Of(object).ToBytes());
      out.set_inline_(std::move(object));
    }
  }
  return requests;
}

double ProcessorSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// One service under load.
struct Course {
  Rate rate;
  RewardClient& client;
  bool distinct;  // Every object is new to the service.
  double seconds = 0, processor = 0, objects = 0;

  void Run(int64_t& next_object) {
    const int count = absl::GetFlag(FLAGS_requests), n = absl::GetFlag(FLAGS_batch);
    const auto requests = MakeRequests(distinct ? next_object : 0, count);
    if (distinct) next_object += int64_t{count} * n;
    std::atomic<int> next = 0;
    const double processor_before = ProcessorSeconds();
    const absl::Time start = absl::Now();
    benchmarks::RunOnThreads(absl::GetFlag(FLAGS_callers), [&](int) {
      for (int i = next++; i < count; i = next++) {
        const auto answer = Must(client.Evaluate(requests[i]));
        if (answer.statuses_size() != n || answer.raw_values(n - 1) != 1) std::exit(1);
      }
    });
    const double took = absl::ToDoubleSeconds(absl::Now() - start);
    rate.rounds.push_back(count * n / took);
    seconds += took;
    processor += ProcessorSeconds() - processor_before;
    objects += count * n;
  }
};

void Run() {
  FreeOracle oracle;
  Listening bare(oracle);
  Gateway gateway(bare.address());
  const auto direct = bare.Connect(), through = gateway.Connect();
  std::vector<Course> courses;
  courses.push_back({{"no gateway: client, no-op service", "objects", {}}, *direct, true});
  courses.push_back({{"gateway: distinct objects", "objects", {}}, *through, true});
  courses.push_back({{"gateway: repeated objects", "objects", {}}, *through, false});
  int64_t next_object = 1 << 30;
  for (Course& course : courses) course.Run(next_object);  // Connects, and fills the cache.
  for (Course& course : courses) {
    course.rate.rounds.clear();
    course.processor = course.objects = course.seconds = 0;
  }
  for (int round = 0; round < absl::GetFlag(FLAGS_rounds); ++round) {
    for (Course& course : courses) course.Run(next_object);
  }
  for (const Course& course : courses) {
    benchmarks::Print(course.rate);
    std::printf("  processor time: %.0f ns an object, of %.2f processors\n",
                1e9 * course.processor / course.objects, course.processor / course.seconds);
  }
  for (size_t i = 1; i < courses.size(); ++i) {
    std::printf("%s: %.2f of the bare service; budget 300000 objects/s: %s\n",
                courses[i].rate.name.c_str(),
                benchmarks::RatioOf(courses[i].rate, courses[0].rate).Median(),
                courses[i].rate.Median() >= 300'000 ? "met" : "MISSED");
  }
}

}  // namespace
}  // namespace anabranch

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("The gateway in front of an oracle that costs nothing.");
  absl::ParseCommandLine(argc, argv);
  anabranch::Run();
  return 0;
}
