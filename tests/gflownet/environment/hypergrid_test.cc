#include "gflownet/environment/hypergrid.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace anabranch {
namespace {

std::unique_ptr<Hypergrid> Grid(int64_t dimensions, int64_t side) {
  return *Hypergrid::Create({dimensions, side});
}

TEST(HypergridTest, SpecSaysWhatStoredActionsMean) {
  auto grid = Grid(4, 8);
  const EnvironmentSpec& spec = grid->spec();
  EXPECT_EQ(spec.fingerprint, "hypergrid/1.0.0 dimensions=4 side=8");
  EXPECT_EQ(spec.num_forward_actions, 5);
  EXPECT_EQ(spec.num_backward_actions, 4);
  EXPECT_EQ(spec.stop_action, 4);
  EXPECT_EQ(spec.max_trajectory_length, 29);
  EXPECT_EQ(grid->ActionName(2), "increment dimension 2");
  EXPECT_EQ(grid->ActionName(4), "stop");
}

TEST(HypergridTest, StopIsLegalEverywhereAndForcedOnlyAtTheFarCorner) {
  auto grid = Grid(2, 4);
  const StateSpace& space = *grid->state_space();
  ActionMask mask(3);
  grid->AppendForwardMask(*space.States(0, 16), mask);
  for (int64_t i = 0; i < 16; ++i) {
    EXPECT_TRUE(mask.IsLegal(i, 2)) << i;
    EXPECT_EQ(mask.CountLegal(i) == 1, i == 15) << i;
  }
}

TEST(HypergridTest, ObjectsAreCoordinatesAndObservedOneHot) {
  auto grid = Grid(3, 12);
  const std::vector<std::string> objects = {"0 3 11", "10 0 0"};
  auto states = grid->FromObjects(objects);
  ASSERT_TRUE(states.ok()) << states.status();
  std::vector<std::string> again;
  grid->AppendObjects(**states, again);
  EXPECT_EQ(again, objects);
  ObservationBatch hot(*grid->FindObservation(ObservationKind::kMultiHot));
  grid->AppendObservations(**states, hot);
  EXPECT_EQ(hot.hot, (std::vector<int32_t>{0, 15, 35, 10, 12, 24}));
  ObservationBatch dense(*grid->FindObservation(ObservationKind::kDense));
  grid->AppendObservations(**states, dense);
  std::vector<float> expected(72, 0.0f);
  for (const int32_t column : {0, 15, 35, 36 + 10, 36 + 12, 36 + 24}) expected[column] = 1.0f;
  EXPECT_EQ(dense.dense, expected);
}

TEST(HypergridTest, ASpaceIsEnumeratedUpToFiftyMillionCells) {
  EXPECT_EQ(Grid(4, 84)->state_space()->num_states(), 49787136);
  EXPECT_EQ(Grid(4, 85)->state_space(), nullptr);
  EXPECT_EQ(Grid(1024, 1024)->state_space(), nullptr) << "far beyond 64 bits";
}

TEST(HypergridTest, OptionsThatMeanNothingAreRefusedByName) {
  auto refused = [](int64_t dimensions, int64_t side) {
    return std::string(Hypergrid::Create({dimensions, side}).status().message());
  };
  EXPECT_NE(refused(0, 8).find("dimensions is 0"), std::string::npos);
  EXPECT_NE(refused(int64_t{1} << 40, 8).find("dimensions is 1099511627776"), std::string::npos);
  EXPECT_NE(refused(2, 1).find("side is 1"), std::string::npos);
  EXPECT_NE(refused(2, int64_t{1} << 40).find("side is 1099511627776"), std::string::npos);
}

// What every environment gets without a line of its own.
TEST(EnvironmentDefaultsTest, SayWhatThereIsNot) {
  auto grid = Grid(2, 4);
  const Environment& environment = *grid;
  const std::vector<std::string> prompts = {"1 1"};
  const absl::Status prompted = environment.Initial(1, prompts).status();
  EXPECT_EQ(prompted.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(prompted.message().find("prompts[0]"), std::string::npos) << prompted;
  EXPECT_EQ(environment.Initial(-1, {}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ((*environment.Initial(3, {}))->size(), 3);
  std::vector<float> partial;
  EXPECT_EQ(environment.AppendPartialLogRewards(*environment.Initial(1), partial).code(),
            absl::StatusCode::kUnimplemented);
  const absl::Status graph = environment.FindObservation(ObservationKind::kGraph).status();
  EXPECT_EQ(graph.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(graph.message().find("it has: multi-hot, dense"), std::string::npos) << graph;
}

TEST(EnvironmentDefaultsTest, AStateKeyIsItsObjectsKey) {
  auto grid = Grid(2, 4);
  const std::vector<std::string> objects = {"1 3", "0 0"};
  std::vector<StateKey> keys;
  grid->AppendStateKeys(**grid->FromObjects(objects), keys);
  EXPECT_EQ(keys, (std::vector<StateKey>{StateKey::Of("1 3"), StateKey::Of("0 0")}));
}

}  // namespace
}  // namespace anabranch
