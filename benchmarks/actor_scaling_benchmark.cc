// How trajectories a second grow with the number of actors while the reward service takes its time:
// each actor is a pipeline of its own, with a connection of its own to a reward server on loopback
// that answers a batch after --reward_ms, however many it is asked at once. Linear is what one
// actor does, times their number. The ceiling of one actor is its window over the reward's time.
//
//   build/release/bin/actor_scaling_benchmark [--reward_ms=100] [--batch=16] [--pending=2]
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ATen/Parallel.h"
#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "actor/actor_pipeline.h"
#include "cli/train/in_process_channels.h"
#include "replay/replay_service.h"
#include "reward/reward_rpc.h"
#include "reward/reward_service.h"
#include "runtime/components/run_components.h"
#include "runtime/config.h"
#include "runtime/rpc/remote_reward.h"
#include "runtime/rpc/server.h"

ABSL_FLAG(int, reward_ms, 100, "milliseconds that the reward service takes for a batch");
ABSL_FLAG(int, batch, 16, "trajectories that an actor rolls out together");
ABSL_FLAG(int, pending, 2, "actor.max_pending_batches");
ABSL_FLAG(double, seconds, 3, "seconds of each measurement, after one of warming up");
ABSL_FLAG(std::vector<std::string>, actors, std::vector<std::string>({"1", "2", "4", "8", "16"}),
          "numbers of actors; the first is what the others are compared with");

namespace anabranch {
namespace {

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

// What an oracle does that waits for another machine: nothing, for a while.
class SlowOracle final : public RewardClient {
 public:
  SlowOracle(RewardClient& oracle, absl::Duration delay) : oracle_(oracle), delay_(delay) {}
  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override {
    return oracle_.Describe(request);
  }
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override {
    absl::SleepFor(delay_);
    return oracle_.Evaluate(request);
  }

 private:
  RewardClient& oracle_;
  const absl::Duration delay_;
};

// All that actors have in common.
struct Surroundings {
  Surroundings() {
    config = Must(ParseRunConfig(
        absl::StrCat("environment: {hypergrid: {dimensions: 4, side: 8}}\n",
                     "actor: {max_pending_batches: ", absl::GetFlag(FLAGS_pending), "}\n",
                     "learner: {batch_trajectories: ", absl::GetFlag(FLAGS_batch), "}\n"),
        "benchmark"));
    components = Must(MakeRunComponents(config));
    RewardServiceOptions options;
    options.name = "hypergrid";
    options.accepted_formats = {components.environment->spec().object_format};
    oracle = Must(RewardService::Create(options, components.reward));
    slow =
        std::make_unique<SlowOracle>(*oracle, absl::Milliseconds(absl::GetFlag(FLAGS_reward_ms)));
    rpc = std::make_unique<RewardRpc>(*slow, NullLog());
    RpcServerOptions server_options;
    server_options.listen = "127.0.0.1:0";
    server = Must(RpcServer::Start(
        server_options, {rpc.get()}, [](v1::GetStatusResponse&) {}, metrics, NullLog()));
    server->SetServing();
    // Takes what comes, and drops the oldest.
    auto replay_options = ReplayServiceOptions::FromConfig(
        config, "benchmark", components.environment->spec().fingerprint);
    replay_options.tables[0].pacing = {};
    replay = Must(ReplayService::Create(std::move(replay_options)));
    PublishInitialWeights();
  }

  void PublishInitialWeights() {
    Model model = Must(components.MakeModel(config));
    auto snapshot = std::make_shared<WeightSnapshot>();
    snapshot->manifest.set_run_id("benchmark");
    snapshot->manifest.set_environment_fingerprint(components.environment->spec().fingerprint);
    snapshot->manifest.mutable_policy()->set_generation(1);
    snapshot->schema = model.parameters->Schema();
    const at::Tensor& values = model.parameters->values();
    snapshot->values.assign(values.data_ptr<float>(), values.data_ptr<float>() + values.numel());
    Must(weights.Publish(std::move(snapshot)));
  }

  v1::RunConfig config;
  RunComponents components;
  Metrics metrics{"reward"};
  std::unique_ptr<RewardService> oracle;
  std::unique_ptr<SlowOracle> slow;
  std::unique_ptr<RewardRpc> rpc;
  std::unique_ptr<RpcServer> server;
  std::unique_ptr<ReplayService> replay;
  InProcessWeights weights;
};

class RunningActor {
 public:
  RunningActor(Surroundings& around, uint64_t number) {
    RemoteClientOptions client;
    reward_ = std::make_unique<RemoteReward>(
        Must(MakeChannel("reward", around.server->address(), {})), client);
    ActorOptions actor;
    actor.identity = {"benchmark", around.components.environment->spec().fingerprint, number};
    actor.stream = number;
    actor.rollout_trajectories = absl::GetFlag(FLAGS_batch);
    PipelineOptions options;
    options.max_pending_batches = absl::GetFlag(FLAGS_pending);
    options.cancel_reward = [this] { reward_->Cancel(); };
    v1::InsertOpening opening;
    opening.mutable_handshake()->set_run_id("benchmark");
    opening.mutable_handshake()->set_environment_fingerprint(
        actor.identity.environment_fingerprint);
    opening.mutable_handshake()->mutable_source()->set_client_incarnation(number);
    pipeline_ = Must(ActorPipeline::Create(
        actor, options, *around.components.environment,
        Must(around.components.MakeModel(around.config)), *around.components.shaping,
        Must(DescribeOracle(actor, around.components.environment->spec(),
                            *around.components.shaping, *reward_)),
        *reward_, around.weights, Must(around.replay->OpenInsert(opening)), NullLog()));
    thread_ = std::thread([this] {
      at::set_num_threads(1);  // LibTorch keeps it for each thread.
      Must(pipeline_->Run());
    });
  }
  ~RunningActor() {
    pipeline_->Cancel();
    thread_.join();
  }
  int64_t acknowledged() const { return pipeline_->counters().acknowledged; }

 private:
  std::unique_ptr<RemoteReward> reward_;
  std::unique_ptr<ActorPipeline> pipeline_;
  std::thread thread_;
};

// Acknowledged trajectories a second.
double Measure(Surroundings& around, int actors) {
  static uint64_t next_number = 1;
  std::vector<std::unique_ptr<RunningActor>> running;
  for (int i = 0; i < actors; ++i) {
    running.push_back(std::make_unique<RunningActor>(around, next_number++));
  }
  auto total = [&running] {
    int64_t sum = 0;
    for (const auto& actor : running) sum += actor->acknowledged();
    return sum;
  };
  absl::SleepFor(absl::Seconds(1));
  const int64_t before = total();
  const absl::Time begin = absl::Now();
  absl::SleepFor(absl::Seconds(absl::GetFlag(FLAGS_seconds)));
  const int64_t after = total();
  return static_cast<double>(after - before) / absl::ToDoubleSeconds(absl::Now() - begin);
}

int Main() {
  Surroundings around;
  const double window = absl::GetFlag(FLAGS_pending) * absl::GetFlag(FLAGS_batch) * 1000.0 /
                        std::max(1, absl::GetFlag(FLAGS_reward_ms));
  std::printf("reward: %d ms a batch of %d, %d batches pending; an actor's ceiling is %.0f/s\n",
              absl::GetFlag(FLAGS_reward_ms), absl::GetFlag(FLAGS_batch),
              absl::GetFlag(FLAGS_pending), window);
  std::printf("%7s %16s %10s %12s\n", "actors", "trajectories/s", "of linear", "of ceiling");
  double per_actor = 0;
  for (const std::string& text : absl::GetFlag(FLAGS_actors)) {
    int actors = 0;
    if (!absl::SimpleAtoi(text, &actors) || actors < 1) {
      std::fprintf(stderr, "--actors: '%s' is no number of actors\n", text.c_str());
      return 2;
    }
    const double rate = Measure(around, actors);
    if (per_actor == 0) per_actor = rate / actors;
    std::printf("%7d %16.0f %10.3f %12.3f\n", actors, rate, rate / (per_actor * actors),
                rate / (window * actors));
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace anabranch

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("throughput of 1 to 16 actors beside a slow reward service");
  absl::ParseCommandLine(argc, argv);
  return anabranch::Main();
}
