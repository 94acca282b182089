// One training step on a fixed batch: our fused pass, the same by autograd, and the matrix products
// that both can't do without.
//
//   build/release/bin/learner_benchmark [--device=cuda:0]
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
#include "gflownet/environment/hypergrid_reward.h"
#include "gflownet/objective/trajectory_balance.h"
#include "gflownet/policy/model.h"
#include "gflownet/rollout/rollout.h"
#include "learner/device.h"
#include "learner/training_step.h"

ABSL_FLAG(int, dimensions, 4, "dimensions of the grid");
ABSL_FLAG(int, side, 8, "cells along each dimension");
ABSL_FLAG(int, batch, 16, "trajectories in a step");
ABSL_FLAG(int, width, 256, "hidden width; there are two hidden layers");
ABSL_FLAG(int, threads, 1, "LibTorch's threads");
ABSL_FLAG(std::string, device, "cpu", "where the model lies: cpu, cuda:N or auto");
ABSL_FLAG(double, seconds, 1.0, "seconds of each workload in each round");
ABSL_FLAG(int, rounds, 5, "rounds");
ABSL_FLAG(bool, json, false, "print one JSON object instead of text");

namespace anabranch::benchmarks {
namespace {

// A batch drawn once, and a training step that repeats on it.
struct Trainer {
  Trainer(const Environment& environment, bool reference, at::Device device)
      : environment(environment) {
    ModelOptions options;
    options.mlp.hidden_width = absl::GetFlag(FLAGS_width);
    options.mlp.reference = reference;
    model = *MakeModel(options, environment.spec(), device);
    step = std::make_unique<TrainingStep>(TrainingStepOptions{}, environment, model, objective);
    // Paths to cells drawn uniformly: as long as those of a trained policy, where an untrained one
    // stops early.
    RandomStream random(1, 1);
    std::vector<std::string> cells;
    const StateSpace& space = *environment.state_space();
    for (int i = 0; i < absl::GetFlag(FLAGS_batch); ++i) {
      const auto cell = static_cast<int64_t>(random.NextBelow(space.num_states()));
      environment.AppendObjects(*space.States(cell, cell + 1), cells);
    }
    Rollout sampler(environment, *model.policy);
    if (!sampler.Backward(cells, random, trajectories).ok()) std::abort();
    log_rewards.assign(trajectories.size(), -2.0f);
  }

  double Step() {
    auto result = step->Run(trajectories, log_rewards);
    return result.ok() && result->applied ? 1 : 0;
  }

  // The products of forward and backward over all rows of the batch: x·W, dy·Wᵀ and xᵀ·dy.
  double MultiplyLayers() {
    at::NoGradGuard no_grad;
    const auto rows = static_cast<int64_t>(trajectories.actions.size());
    const int64_t width = absl::GetFlag(FLAGS_width);
    const EnvironmentSpec& spec = environment.spec();
    const int64_t sizes[] = {spec.observations[0].width, width, width,
                             spec.num_forward_actions + spec.num_backward_actions};
    if (inputs.empty()) {
      for (int i = 0; i < 4; ++i) inputs.push_back(at::rand({rows, sizes[i]}));
      for (int i = 0; i < 3; ++i) weights.push_back(at::rand({sizes[i], sizes[i + 1]}));
    }
    for (int i = 0; i < 3; ++i) {
      at::mm(inputs[i], weights[i]);
      at::mm(inputs[i].t(), inputs[i + 1]);
      if (i > 0) at::mm(inputs[i + 1], weights[i].t());
    }
    return 1;
  }

  const Environment& environment;
  TrajectoryBalance objective;
  Model model;
  std::unique_ptr<TrainingStep> step;
  Trajectories trajectories;
  std::vector<float> log_rewards;
  std::vector<at::Tensor> inputs, weights;
};

int Main() {
  at::set_num_threads(absl::GetFlag(FLAGS_threads));
  auto grid = Hypergrid::Create({absl::GetFlag(FLAGS_dimensions), absl::GetFlag(FLAGS_side)});
  if (!grid.ok()) {
    std::fprintf(stderr, "%s\n", grid.status().ToString().c_str());
    return 2;
  }
  if ((*grid)->state_space() == nullptr) {
    std::fprintf(stderr, "give a grid of at most 50 million cells\n");
    return 2;
  }
  const auto opened = OpenDevice(absl::GetFlag(FLAGS_device));
  if (!opened.ok()) {
    std::fprintf(stderr, "%s\n", opened.status().ToString().c_str());
    return 2;
  }
  const at::Device device = opened->device;
  Trainer fused(**grid, false, device), reference(**grid, true, device);
  const std::vector<Rate> rates = MeasureAlternating(
      {{"training step", "steps", [&] { return fused.Step(); }},
       {"training step by autograd", "steps", [&] { return reference.Step(); }},
       {"matrix products alone (CPU)", "steps", [&] { return fused.MultiplyLayers(); }}},
      absl::GetFlag(FLAGS_seconds), absl::GetFlag(FLAGS_rounds));
  const Rate of_products = RatioOf(rates[0], rates[2]);
  const Rate of_autograd = RatioOf(rates[0], rates[1]);
  if (absl::GetFlag(FLAGS_json)) {
    std::printf(
        "{\"steps_per_second\": %.1f, \"autograd_per_second\": %.1f, "
        "\"products_per_second\": %.1f}\n",
        rates[0].Median(), rates[1].Median(), rates[2].Median());
    return 0;
  }
  for (const Rate& rate : rates) Print(rate);
  Print(of_products);
  Print(of_autograd);
  const TrainingTimes& times = fused.step->times();
  const double total = times.build + times.forward_backward + times.optimizer;
  std::printf("%zu rows; rebuilding states %.1f %%, forward and backward %.1f %%, Adam %.1f %%\n",
              fused.trajectories.actions.size(), 100 * times.build / total,
              100 * times.forward_backward / total, 100 * times.optimizer / total);
  return 0;
}

}  // namespace
}  // namespace anabranch::benchmarks

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "repeats a trajectory-balance step on one batch and prints steps per second beside the same "
      "step by autograd and beside its matrix products, all in the same run");
  absl::ParseCommandLine(argc, argv);
  return anabranch::benchmarks::Main();
}
