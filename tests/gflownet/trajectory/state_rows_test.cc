#include "gflownet/trajectory/state_rows.h"

#include <memory>
#include <string>
#include <vector>

#include "gflownet/environment/hypergrid.h"
#include "gtest/gtest.h"

namespace anabranch {
namespace {

constexpr int32_t kStop = 2;

class StateRowsTest : public testing::Test {
 protected:
  std::string Refusal(std::vector<int32_t> lengths, std::vector<int32_t> actions) {
    Trajectories t;
    t.lengths = std::move(lengths);
    t.actions = std::move(actions);
    const absl::Status status = BuildStateRows(*grid_, t, rows_);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  }

  std::unique_ptr<Hypergrid> grid_ = *Hypergrid::Create({2, 3});
  StateRows rows_{grid_->spec().observations[0]};
};

TEST_F(StateRowsTest, RowsAreStatesStepByStepWithTheActionsOfBothDirections) {
  Trajectories t;
  t.lengths = {3, 1, 2};
  t.actions = {0, 1, kStop, kStop, 1, kStop};
  t.condition_width = 1;
  t.conditions = {10, 20, 30};
  ASSERT_EQ(BuildStateRows(*grid_, t, rows_), absl::OkStatus());
  EXPECT_EQ(rows_.rows, 6);
  EXPECT_EQ(rows_.num_trajectories, 3);
  EXPECT_EQ(rows_.trajectory, (std::vector<int32_t>{0, 1, 2, 0, 2, 0}));
  EXPECT_EQ(rows_.step, (std::vector<int32_t>{0, 0, 0, 1, 1, 2}));
  EXPECT_EQ(rows_.forward_actions, (std::vector<int32_t>{0, kStop, 1, 1, kStop, kStop}));
  EXPECT_EQ(rows_.backward_actions,
            (std::vector<int32_t>{kNoAction, kNoAction, kNoAction, 0, 1, 1}));
  EXPECT_EQ(rows_.conditions, (std::vector<float>{10, 20, 30, 10, 30, 10}));
  // s_0 = (0,0) three times, then (1,0), (0,1), (1,1); multi-hot columns d·3 + s_d.
  EXPECT_EQ(rows_.observations.hot, (std::vector<int32_t>{0, 3, 0, 3, 0, 3, 1, 3, 0, 4, 1, 4}));
  EXPECT_EQ(rows_.backward_mask.CountLegal(5), 2);
}

TEST_F(StateRowsTest, IllegalActionsAreRefusedByTrajectoryStepActionAndState) {
  const std::string message = Refusal({2, 4}, {1, kStop, 0, 0, 0, kStop});
  EXPECT_NE(message.find("trajectory 1, step 2"), std::string::npos) << message;
  EXPECT_NE(message.find("increment dimension 0"), std::string::npos) << message;
  EXPECT_NE(message.find("\"2 0\""), std::string::npos) << message;
}

TEST_F(StateRowsTest, ActionsThatDoNotExistAreRefused) {
  EXPECT_NE(Refusal({2}, {7, kStop}).find("action 7 (no such action)"), std::string::npos);
  EXPECT_NE(Refusal({2}, {-1, kStop}).find("action -1 (no such action)"), std::string::npos);
}

TEST_F(StateRowsTest, ATrajectoryEndsWithItsOnlyStop) {
  EXPECT_NE(Refusal({2}, {0, 1}).find("instead of stop"), std::string::npos);
  EXPECT_NE(Refusal({3}, {0, kStop, kStop}).find("follow the stop"), std::string::npos);
}

TEST_F(StateRowsTest, ColumnsOfWrongLengthAreRefusedByName) {
  EXPECT_NE(Refusal({2, 2}, {0, kStop}).find("trajectories.actions has 2"), std::string::npos);
  EXPECT_NE(Refusal({1, 0}, {kStop}).find("trajectories.lengths[1] is 0"), std::string::npos);
  EXPECT_NE(Refusal({6}, {0, 0, 1, 1, 0, kStop}).find("trajectories.lengths[0] is 6"),
            std::string::npos);
  Trajectories t;
  t.lengths = {1};
  t.actions = {kStop};
  t.condition_width = 2;
  t.conditions = {1};
  const absl::Status status = BuildStateRows(*grid_, t, rows_);
  EXPECT_NE(status.message().find("trajectories.conditions"), std::string::npos) << status;
}

TEST_F(StateRowsTest, AfterARefusalTheNextBatchIsBuiltAsIfNothingHadBeen) {
  Refusal({2}, {7, kStop});
  Trajectories t;
  t.lengths = {1};
  t.actions = {kStop};
  ASSERT_EQ(BuildStateRows(*grid_, t, rows_), absl::OkStatus());
  EXPECT_EQ(rows_.rows, 1);
  EXPECT_EQ(rows_.forward_mask.rows, 1);
}

}  // namespace
}  // namespace anabranch
