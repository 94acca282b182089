// The four-dimensional grid through a cluster, without and with faults.
#include <gtest/gtest.h>

#include "tests/cluster/cluster_gate.h"

namespace anabranch {
namespace {

class FullClusterGates : public testing::TestWithParam<ClusterGate> {};

TEST_P(FullClusterGates, Hold) { RunClusterGate(GetParam()); }

const ClusterGate kGates[] = {
    {.name = "Grid8x8x8x8",
     .config = "hypergrid-8x8x8x8.yaml",
     .set = {"evaluation.every_steps=500"},
     .max_steps = 12'500,
     .bounds = {{.metric = "modes", .within_trajectories = 40'000, .at_least = 16},
                {.metric = "tv", .within_trajectories = 200'000, .at_most = 0.05},
                {.metric = "log_z_error", .within_trajectories = 200'000, .at_most = 0.05}}},
    // The killed learners had done at most 625 steps of 16 since their checkpoints, 3 times. The
    // first of them dies behind 40,000 trajectories.
    {.name = "Grid8x8x8x8WithFaults",
     .config = "hypergrid-8x8x8x8.yaml",
     .set = {"evaluation.every_steps=500"},
     .max_steps = 12'500,
     .faults = true,
     .bounds = {{.metric = "modes", .within_trajectories = 40'000, .at_least = 16},
                {.metric = "tv", .within_trajectories = 230'000, .at_most = 0.05},
                {.metric = "log_z_error", .within_trajectories = 230'000, .at_most = 0.05}}},
    {.name = "Grid8x8x8x8WithAHostileOracle",
     .config = "hypergrid-8x8x8x8.yaml",
     .set = {"evaluation.every_steps=500"},
     .max_steps = 12'500,
     .hostile_oracle = true,
     .bounds = {{.metric = "modes", .within_trajectories = 40'000, .at_least = 16},
                {.metric = "tv", .within_trajectories = 230'000, .at_most = 0.05},
                {.metric = "log_z_error", .within_trajectories = 230'000, .at_most = 0.05}}},
};

INSTANTIATE_TEST_SUITE_P(Gates, FullClusterGates, testing::ValuesIn(kGates),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace anabranch
