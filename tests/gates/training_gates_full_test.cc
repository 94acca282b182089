// The figures of docs/results.md, medians of three seeds.
#include <gtest/gtest.h>

#include "tests/gates/training_gate.h"

namespace anabranch {
namespace {

class FullTrainingGates : public testing::TestWithParam<TrainingGate> {};

TEST_P(FullTrainingGates, Hold) { RunTrainingGate(GetParam()); }

const TrainingGate kGates[] = {
    {.name = "Grid8x8",
     .config = "hypergrid-8x8.yaml",
     .seeds = {0, 1, 2},
     .bounds = {{.metric = "tv", .within_trajectories = 32'000, .at_most = 0.01}}},
    {.name = "Grid8x8x8x8",
     .config = "hypergrid-8x8x8x8.yaml",
     .flags = {"learner.max_steps=12500", "evaluation.every_steps=500",
               "learner.optimizer.schedule.kind=constant"},
     .seeds = {0, 1, 2},
     .bounds = {{.metric = "modes", .within_trajectories = 40'000, .at_least = 16},
                {.metric = "tv", .within_trajectories = 200'000, .at_most = 0.05}}},
    {.name = "Grid8x8x8x8WithDecay",
     .config = "hypergrid-8x8x8x8.yaml",
     .seeds = {0, 1, 2},
     .bounds = {{.metric = "tv", .within_trajectories = 500'000, .at_most = 0.01},
                {.metric = "log_z_error", .within_trajectories = 500'000, .at_most = 0.02}}},
    {.name = "HardGrid8x8x8x8FindsAllModes",
     .config = "hypergrid-8x8x8x8.yaml",
     .flags = {"environment.hypergrid.r0=0.001", "learner.max_steps=12500"},
     .seeds = {0, 1, 2},
     .bounds = {{.metric = "modes", .within_trajectories = 200'000, .at_least = 16}}},
    {.name = "SequencesOfFourLetters",
     .config = "sequence-enumerable.yaml",
     .seeds = {0, 1, 2},
     .bounds = {{.metric = "tv", .within_trajectories = 200'000, .at_most = 0.02}}},
};

INSTANTIATE_TEST_SUITE_P(Gates, FullTrainingGates, testing::ValuesIn(kGates),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace anabranch
