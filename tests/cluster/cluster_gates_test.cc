// What four kinds of processes learn is as exact as what one process learns, and stays so while
// they are being killed. The longer runs are in cluster_gates_full_test.cc.
#include <gtest/gtest.h>

#include "tests/cluster/cluster_gate.h"

namespace anabranch {
namespace {

class ClusterGates : public testing::TestWithParam<ClusterGate> {};

TEST_P(ClusterGates, Hold) { RunClusterGate(GetParam()); }

const ClusterGate kGates[] = {
    {.name = "Grid8x8",
     .config = "hypergrid-8x8.yaml",
     .max_steps = 2000,
     .bounds = {{.metric = "tv", .within_trajectories = 32'000, .at_most = 0.01},
                {.metric = "modes", .within_trajectories = 32'000, .at_least = 4}}},
    // What the killed learners had done since their checkpoints is done again with fresh
    // trajectories: 3 times at most 100 steps of 16.
    {.name = "Grid8x8WithFaults",
     .config = "hypergrid-8x8.yaml",
     .max_steps = 2000,
     .faults = true,
     .bounds = {{.metric = "tv", .within_trajectories = 36'800, .at_most = 0.01},
                {.metric = "modes", .within_trajectories = 36'800, .at_least = 4}}},
    // FAILED answers leave their trajectories out, whatever these are: less is trained on, and the
    // same is learned.
    {.name = "Grid8x8WithAHostileOracle",
     .config = "hypergrid-8x8.yaml",
     .max_steps = 2000,
     .hostile_oracle = true,
     .bounds = {{.metric = "tv", .within_trajectories = 36'800, .at_most = 0.01},
                {.metric = "modes", .within_trajectories = 36'800, .at_least = 4}}},
};

INSTANTIATE_TEST_SUITE_P(Gates, ClusterGates, testing::ValuesIn(kGates),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace anabranch
