// What a slow oracle costs an actor that rolls out while rewards are pending: acknowledged
// trajectories a second beside an oracle that takes --reward_ms for a batch, over those beside one
// that answers at once, in turns in the same run. The batch is chosen so that a window of batches
// takes --margin times the oracle's time to roll out: less, and the window is what limits.
//
//   build/release/bin/overlap_benchmark [--reward_ms=100] [--pending=8] [--margin=1.25]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "ATen/Parallel.h"
#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "actor/actor_pipeline.h"
#include "benchmarks/measure.h"
#include "cli/train/in_process_channels.h"
#include "replay/replay_service.h"
#include "reward/reward_service.h"
#include "runtime/components/run_components.h"
#include "runtime/config.h"

ABSL_FLAG(int, reward_ms, 100, "milliseconds that the slow oracle takes for a batch");
ABSL_FLAG(int, pending, 8, "actor.max_pending_batches");
ABSL_FLAG(double, margin, 1.25, "seconds of rolling out a window, over the oracle's");
ABSL_FLAG(int, batch, 0, "trajectories that are rolled out together; 0 chooses");
ABSL_FLAG(double, seconds, 2, "seconds of each round");
ABSL_FLAG(int, rounds, 5, "rounds");

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

// What an oracle does that computes elsewhere: nothing, for a while.
class SlowOracle final : public RewardClient {
 public:
  SlowOracle(RewardClient& oracle, absl::Duration delay) : oracle_(oracle), delay_(delay) {}
  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override {
    return oracle_.Describe(request);
  }
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override {
    if (delay_ > absl::ZeroDuration()) absl::SleepFor(delay_);
    return oracle_.Evaluate(request);
  }

 private:
  RewardClient& oracle_;
  const absl::Duration delay_;
};

// All but the actor.
struct Surroundings {
  Surroundings() {
    config =
        Must(ParseRunConfig("environment: {hypergrid: {dimensions: 4, side: 8}}\n", "benchmark"));
    components = Must(MakeRunComponents(config));
    RewardServiceOptions options;
    options.name = "hypergrid";
    options.accepted_formats = {components.environment->spec().object_format};
    oracle = Must(RewardService::Create(options, components.reward));
    // Takes what comes, and drops the oldest.
    auto replay_options = ReplayServiceOptions::FromConfig(
        config, "benchmark", components.environment->spec().fingerprint);
    replay_options.tables[0].pacing = {};
    replay = Must(ReplayService::Create(std::move(replay_options)));
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
  std::unique_ptr<RewardService> oracle;
  std::unique_ptr<ReplayService> replay;
  InProcessWeights weights;
};

// Trajectories that an actor has had acknowledged after `seconds`, its first quarter not counted,
// and the time that the rest took.
struct Done {
  double trajectories = 0;
  double seconds = 0;
};

Done RunActor(Surroundings& around, int64_t batch, absl::Duration delay, double seconds) {
  static uint64_t number = 0;
  SlowOracle oracle(*around.oracle, delay);
  ActorOptions actor;
  actor.identity = {"benchmark", around.components.environment->spec().fingerprint, ++number};
  actor.stream = number;
  actor.rollout_trajectories = batch;
  PipelineOptions options;
  options.max_pending_batches = absl::GetFlag(FLAGS_pending);
  v1::InsertOpening opening;
  opening.mutable_handshake()->set_run_id("benchmark");
  opening.mutable_handshake()->set_environment_fingerprint(actor.identity.environment_fingerprint);
  opening.mutable_handshake()->mutable_source()->set_client_incarnation(number);
  auto pipeline = Must(ActorPipeline::Create(
      actor, options, *around.components.environment,
      Must(around.components.MakeModel(around.config)), *around.components.shaping,
      Must(DescribeOracle(actor, around.components.environment->spec(), *around.components.shaping,
                          oracle)),
      oracle, around.weights, Must(around.replay->OpenInsert(opening)), NullLog()));
  std::thread runner([&pipeline] {
    at::set_num_threads(1);  // LibTorch keeps it for each thread.
    Must(pipeline->Run());
  });
  absl::SleepFor(absl::Seconds(seconds / 4));
  const int64_t before = pipeline->counters().acknowledged;
  const absl::Time begin = absl::Now();
  absl::SleepFor(absl::Seconds(seconds));
  const int64_t after = pipeline->counters().acknowledged;
  const double took = absl::ToDoubleSeconds(absl::Now() - begin);
  pipeline->Cancel();
  runner.join();
  return {static_cast<double>(after - before), took};
}

// The first batch size, doubling, then interpolated, of which a window takes long enough.
int64_t ChooseBatch(Surroundings& around) {
  if (absl::GetFlag(FLAGS_batch) > 0) return absl::GetFlag(FLAGS_batch);
  const double wanted = absl::GetFlag(FLAGS_margin) * absl::GetFlag(FLAGS_reward_ms) / 1000.0 /
                        absl::GetFlag(FLAGS_pending);
  double last = 0;
  for (int64_t batch = 64;; batch *= 2) {
    const Done done = RunActor(around, batch, absl::ZeroDuration(), 0.5);
    const double takes = done.seconds / done.trajectories * static_cast<double>(batch);
    if (takes >= wanted) {
      const double share = last == 0 ? 0.5 : (wanted - last) / (takes - last);
      return batch / 2 + static_cast<int64_t>(share * static_cast<double>(batch) / 2) + 1;
    }
    last = takes;
  }
}

int Main() {
  Surroundings around;
  const int64_t batch = ChooseBatch(around);
  const absl::Duration delay = absl::Milliseconds(absl::GetFlag(FLAGS_reward_ms));
  benchmarks::Rate free{"free oracle", "trajectories", {}}, slow{"slow oracle", "trajectories", {}};
  for (int round = 0; round < absl::GetFlag(FLAGS_rounds); ++round) {
    for (auto& [rate, wait] : {std::pair(&free, absl::ZeroDuration()), std::pair(&slow, delay)}) {
      const Done done = RunActor(around, batch, wait, absl::GetFlag(FLAGS_seconds));
      rate->rounds.push_back(done.trajectories / done.seconds);
    }
  }
  const double window = absl::GetFlag(FLAGS_pending) * static_cast<double>(batch) / free.Median();
  std::printf(
      "batches of %lld, %d pending: a window rolls out in %.0f ms, the oracle takes %d ms\n",
      static_cast<long long>(batch), absl::GetFlag(FLAGS_pending), 1000 * window,
      absl::GetFlag(FLAGS_reward_ms));
  benchmarks::Print(free);
  benchmarks::Print(slow);
  benchmarks::Print(benchmarks::RatioOf(slow, free));
  return 0;
}

}  // namespace
}  // namespace anabranch

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("what a slow oracle costs an actor that overlaps");
  absl::ParseCommandLine(argc, argv);
  return anabranch::Main();
}
