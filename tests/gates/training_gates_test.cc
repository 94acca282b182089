// The figures that every change must keep; one seed each, minutes in all. Three seeds and the long
// runs are in training_gates_full_test.cc.
#include <gtest/gtest.h>

#include "tests/gates/training_gate.h"

namespace anabranch {
namespace {

class TrainingGates : public testing::TestWithParam<TrainingGate> {};

TEST_P(TrainingGates, Hold) { RunTrainingGate(GetParam()); }

const TrainingGate kGates[] = {
    {.name = "Grid8x8",
     .config = "hypergrid-8x8.yaml",
     .bounds = {{.metric = "tv", .within_trajectories = 32'000, .at_most = 0.01},
                {.metric = "modes", .within_trajectories = 32'000, .at_least = 4}}},
    {.name = "Grid8x8InLockStep",
     .config = "hypergrid-8x8.yaml",
     .deterministic = true,
     .bounds = {{.metric = "tv", .within_trajectories = 32'000, .at_most = 0.01},
                {.metric = "log_z_error", .within_trajectories = 32'000, .at_most = 0.01}}},
    {.name = "Grid8x8ByVarGrad",
     .config = "hypergrid-8x8.yaml",
     .flags = {"objective={var_grad: {}}"},
     .bounds = {{.metric = "tv", .within_trajectories = 32'000, .at_most = 0.01}}},
    {.name = "Grid8x8x8x8",
     .config = "hypergrid-8x8x8x8.yaml",
     .flags = {"learner.max_steps=12500", "evaluation.every_steps=500"},
     .bounds = {{.metric = "modes", .within_trajectories = 40'000, .at_least = 16},
                {.metric = "tv", .within_trajectories = 200'000, .at_most = 0.05}}},
    {.name = "SequencesOfFourLetters",
     .config = "sequence-enumerable.yaml",
     .bounds = {{.metric = "tv", .within_trajectories = 200'000, .at_most = 0.02}}},
};

INSTANTIATE_TEST_SUITE_P(Gates, TrainingGates, testing::ValuesIn(kGates),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace anabranch
