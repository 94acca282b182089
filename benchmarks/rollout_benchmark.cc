// Forward rollouts on a hypergrid, beside the matrix products of the same layers alone.
//
//   build/release/bin/rollout_benchmark --threads=2
//
// Design target: 60 % of the products' rate in fp32.
#include <ATen/Functions.h>
#include <ATen/Parallel.h>

#include <cstdio>
#include <memory>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "benchmarks/measure.h"
#include "gflownet/environment/hypergrid.h"
#include "gflownet/policy/model.h"
#include "gflownet/rollout/rollout.h"

ABSL_FLAG(int, dimensions, 4, "dimensions of the grid");
ABSL_FLAG(int, side, 8, "cells along each dimension");
ABSL_FLAG(int, batch, 1024, "trajectories rolled out at once, by each thread");
ABSL_FLAG(int, width, 256, "hidden width; there are two hidden layers");
ABSL_FLAG(int, threads, 1, "rollouts side by side, each with a policy of its own");
ABSL_FLAG(double, seconds, 1.0, "seconds of each workload in each round");
ABSL_FLAG(int, rounds, 5, "rounds");
ABSL_FLAG(bool, json, false, "print one JSON object instead of text");

namespace anabranch::benchmarks {
namespace {

// One thread's part: a policy, a rollout, and the layers' matrices.
struct Worker {
  Worker(const Environment& environment, int index) : random(1, index) {
    ModelOptions options;
    options.mlp.hidden_width = absl::GetFlag(FLAGS_width);
    model = *MakeModel(options, environment.spec());
    // An untrained policy stops after a few steps; with this, paths are as long as a trained one's.
    constexpr float kStopLogitOffset = -2.0f;
    const int64_t bias = model.parameters->Find("policy.2.bias");
    model.parameters->Data(bias)[environment.spec().stop_action] += kStopLogitOffset;
    rollout = std::make_unique<Rollout>(environment, *model.policy);
    const int64_t rows = absl::GetFlag(FLAGS_batch), width = absl::GetFlag(FLAGS_width);
    const EnvironmentSpec& spec = environment.spec();
    const int64_t sizes[] = {spec.observations[0].width, width, width, spec.num_forward_actions};
    for (int i = 0; i < 3; ++i) {
      inputs.push_back(at::rand({rows, sizes[i]}));
      weights.push_back(at::rand({sizes[i], sizes[i + 1]}));
      outputs.push_back(at::empty({rows, sizes[i + 1]}));
    }
  }

  double RollOut() {
    RolloutOptions options;
    options.trajectories = absl::GetFlag(FLAGS_batch);
    if (!rollout->Forward(options, random, trajectories).ok()) return 0;
    return static_cast<double>(trajectories.actions.size());
  }

  double MultiplyLayers() {
    at::NoGradGuard no_grad;
    for (size_t i = 0; i < inputs.size(); ++i) at::mm_out(outputs[i], inputs[i], weights[i]);
    return static_cast<double>(inputs[0].size(0));
  }

  RandomStream random;
  Model model;
  std::unique_ptr<Rollout> rollout;
  Trajectories trajectories;
  std::vector<at::Tensor> inputs, weights, outputs;
};

int Main() {
  at::set_num_threads(1);  // The threads here are ours.
  auto grid = Hypergrid::Create({absl::GetFlag(FLAGS_dimensions), absl::GetFlag(FLAGS_side)});
  if (!grid.ok()) {
    std::fprintf(stderr, "%s\n", grid.status().ToString().c_str());
    return 2;
  }
  const int threads = absl::GetFlag(FLAGS_threads);
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < threads; ++i) workers.push_back(std::make_unique<Worker>(**grid, i));
  auto on_all = [&](double (Worker::*work)()) {
    return [&workers, threads, work] {
      std::vector<double> done(threads);
      RunOnThreads(threads, [&](int i) {
        for (int repeat = 0; repeat < 4; ++repeat) done[i] += (workers[i].get()->*work)();
      });
      double total = 0;
      for (const double part : done) total += part;
      return total;
    };
  };
  const std::vector<Rate> rates =
      MeasureAlternating({{"rollout", "transitions", on_all(&Worker::RollOut)},
                          {"matrix products alone", "rows", on_all(&Worker::MultiplyLayers)}},
                         absl::GetFlag(FLAGS_seconds), absl::GetFlag(FLAGS_rounds));
  const Rate ratio = RatioOf(rates[0], rates[1]);
  if (absl::GetFlag(FLAGS_json)) {
    std::printf(
        "{\"transitions_per_second\": %.0f, \"ceiling_per_second\": %.0f, \"ratio\": %.4f, "
        "\"rollout\": %s, \"ceiling\": %s}\n",
        rates[0].Median(), rates[1].Median(), ratio.Median(), ToJson(rates[0]).c_str(),
        ToJson(rates[1]).c_str());
    return 0;
  }
  for (const Rate& rate : rates) Print(rate);
  Print(ratio);
  double policy = 0, environment = 0;
  for (const auto& worker : workers) {
    policy += worker->rollout->times().policy;
    environment += worker->rollout->times().environment;
  }
  std::printf("time in the policy %.1f %%, in the environment %.1f %%\n",
              100 * policy / (policy + environment), 100 * environment / (policy + environment));
  return 0;
}

}  // namespace
}  // namespace anabranch::benchmarks

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "rolls out trajectories with an MLP policy on a hypergrid and prints transitions per second "
      "beside the rate of the same layers' matrix products in the same run");
  absl::ParseCommandLine(argc, argv);
  return anabranch::benchmarks::Main();
}
