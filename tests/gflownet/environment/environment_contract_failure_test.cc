// The contract test tested: each of these environments breaks one rule.
#include <algorithm>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "gflownet/environment/hypergrid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/gflownet/environment/environment_contract.h"

namespace anabranch {
namespace {

using testing::HasSubstr;

// A grid with one thing wrong.
class BrokenGrid : public Environment {
 public:
  BrokenGrid() : grid_(*Hypergrid::Create({2, 4})) {}

  const EnvironmentSpec& spec() const override { return grid_->spec(); }
  using Environment::Initial;
  std::unique_ptr<StateBatch> Initial(int64_t n) const override { return grid_->Initial(n); }
  std::unique_ptr<StateBatch> Clone(const StateBatch& s) const override { return grid_->Clone(s); }
  void Keep(StateBatch& s, std::span<const int32_t> rows) const override { grid_->Keep(s, rows); }
  void AppendForwardMask(const StateBatch& s, ActionMask& out) const override {
    grid_->AppendForwardMask(s, out);
  }
  void AppendBackwardMask(const StateBatch& s, ActionMask& out) const override {
    grid_->AppendBackwardMask(s, out);
  }
  void AppendObservations(const StateBatch& s, ObservationBatch& out) const override {
    grid_->AppendObservations(s, out);
  }
  void Step(StateBatch& s, const ActionColumn& actions) const override { grid_->Step(s, actions); }
  void StepBack(StateBatch& s, std::span<const int32_t> actions) const override {
    grid_->StepBack(s, actions);
  }
  void BackwardActions(const StateBatch& s, std::span<const int32_t> actions,
                       std::span<int32_t> out) const override {
    grid_->BackwardActions(s, actions, out);
  }
  void ForwardActions(const StateBatch& s, std::span<const int32_t> actions,
                      std::span<int32_t> out) const override {
    grid_->ForwardActions(s, actions, out);
  }
  void AppendObjects(const StateBatch& s, std::vector<std::string>& out) const override {
    grid_->AppendObjects(s, out);
  }
  absl::StatusOr<std::unique_ptr<StateBatch>> FromObjects(
      std::span<const std::string> objects) const override {
    return grid_->FromObjects(objects);
  }
  const StateSpace* state_space() const override { return grid_->state_space(); }
  std::string ActionName(int32_t action) const override { return grid_->ActionName(action); }

 private:
  std::unique_ptr<Hypergrid> grid_;
};

std::string ContractError(const Environment& environment) {
  return std::string(CheckEnvironmentContract(environment).message());
}

TEST(ContractCanFailTest, TheGridUnbrokenPasses) { EXPECT_EQ(ContractError(BrokenGrid()), ""); }

TEST(ContractCanFailTest, BackwardMaskOffByOne) {
  class Broken : public BrokenGrid {
    void AppendBackwardMask(const StateBatch& s, ActionMask& out) const override {
      const size_t begin = out.dense.size();
      BrokenGrid::AppendBackwardMask(s, out);
      std::rotate(out.dense.begin() + begin, out.dense.begin() + begin + 1, out.dense.end());
    }
  };
  EXPECT_NE(ContractError(Broken()), "");
}

TEST(ContractCanFailTest, BackwardActionsLegalAtTheSource) {
  class Broken : public BrokenGrid {
    void AppendBackwardMask(const StateBatch& s, ActionMask& out) const override {
      const size_t begin = out.dense.size();
      BrokenGrid::AppendBackwardMask(s, out);
      for (size_t i = begin; i < out.dense.size(); i += 2) {
        if (out.dense[i] + out.dense[i + 1] == 0) out.dense[i] = 1;
      }
    }
  };
  EXPECT_THAT(ContractError(Broken()), HasSubstr("state 0: its backward mask has 1 bits"));
}

TEST(ContractCanFailTest, ALegalActionThatTheMaskHides) {
  class Broken : public BrokenGrid {
    void AppendForwardMask(const StateBatch& s, ActionMask& out) const override {
      const size_t begin = out.dense.size();
      BrokenGrid::AppendForwardMask(s, out);
      for (size_t i = begin; i < out.dense.size(); i += 3) {
        if (out.dense[i] && out.dense[i + 1]) out.dense[i] = 0;
      }
    }
  };
  EXPECT_THAT(ContractError(Broken()), HasSubstr("distinct parents"));
}

TEST(ContractCanFailTest, TwoActionsWithOneChild) {
  class Broken : public BrokenGrid {
    void Step(StateBatch& s, const ActionColumn& actions) const override {
      ActionMask mask(spec().num_forward_actions);
      AppendForwardMask(s, mask);
      std::vector<int32_t> ids(actions.ids.begin(), actions.ids.end());
      for (size_t i = 0; i < ids.size(); ++i) {
        if (ids[i] == 1 && mask.IsLegal(static_cast<int64_t>(i), 0)) ids[i] = 0;
      }
      BrokenGrid::Step(s, {ids, {}});
    }
  };
  EXPECT_THAT(ContractError(Broken()), HasSubstr("one child"));
}

TEST(ContractCanFailTest, UndoneByTheWrongAction) {
  class Broken : public BrokenGrid {
    void BackwardActions(const StateBatch& s, std::span<const int32_t> actions,
                         std::span<int32_t> out) const override {
      BrokenGrid::BackwardActions(s, actions, out);
      for (int32_t& action : out) action = action == 0 ? 1 : action == 1 ? 0 : action;
    }
  };
  EXPECT_THAT(ContractError(Broken()), HasSubstr("is undone by an illegal action"));
}

TEST(ContractCanFailTest, StepThatMovesOnlyTheFirstRow) {
  class Broken : public BrokenGrid {
    void Step(StateBatch& s, const ActionColumn& actions) const override {
      std::vector<int32_t> ids(actions.ids.size(), spec().stop_action);
      if (!ids.empty()) ids[0] = actions.ids[0];
      BrokenGrid::Step(s, {ids, {}});
    }
  };
  EXPECT_THAT(ContractError(Broken()), HasSubstr("a child's number is not greater"));
}

TEST(ContractCanFailTest, StepBackThatHeedsOnlyTheFirstRowsAction) {
  class Broken : public BrokenGrid {
    void StepBack(StateBatch& s, std::span<const int32_t> actions) const override {
      const std::vector<int32_t> same(actions.size(), actions.empty() ? 0 : actions[0]);
      BrokenGrid::StepBack(s, same);
    }
  };
  EXPECT_THAT(ContractError(Broken()), HasSubstr("going forward and back leads elsewhere"));
}

TEST(ContractCanFailTest, ForwardActionsThatHeedsOnlyTheFirstRow) {
  class Broken : public BrokenGrid {
    void ForwardActions(const StateBatch& s, std::span<const int32_t> actions,
                        std::span<int32_t> out) const override {
      BrokenGrid::ForwardActions(s, actions, out);
      if (!out.empty()) std::fill(out.begin(), out.end(), out[0]);
    }
  };
  EXPECT_THAT(ContractError(Broken()), HasSubstr("not the inverse"));
}

TEST(ContractCanFailTest, AMaskThatForgetsTheRowsBeforeIt) {
  class Broken : public BrokenGrid {
    void AppendForwardMask(const StateBatch& s, ActionMask& out) const override {
      out.Clear();
      BrokenGrid::AppendForwardMask(s, out);
    }
  };
  EXPECT_THAT(ContractError(Broken()), HasSubstr("a mask has not one row"));
}

TEST(ContractCanFailTest, ObservationsThatConfuseStates) {
  class Broken : public BrokenGrid {
    void AppendObservations(const StateBatch& s, ObservationBatch& out) const override {
      auto sources = Initial(s.size());
      BrokenGrid::AppendObservations(*sources, out);
    }
  };
  EXPECT_THAT(ContractError(Broken()), HasSubstr("tells all states apart"));
}

TEST(ContractCanFailTest, ObservationsOutsideTheirWidth) {
  class Broken : public BrokenGrid {
    void AppendObservations(const StateBatch& s, ObservationBatch& out) const override {
      BrokenGrid::AppendObservations(s, out);
      for (int32_t& hot : out.hot) ++hot;
    }
  };
  EXPECT_THAT(ContractError(Broken()), HasSubstr("declared shape"));
}

TEST(ContractCanFailTest, KeepThatTakesTheFirstRowsInstead) {
  class Broken : public BrokenGrid {
    void Keep(StateBatch& s, std::span<const int32_t> rows) const override {
      std::vector<int32_t> first(rows.size());
      std::iota(first.begin(), first.end(), 0);
      BrokenGrid::Keep(s, first);
    }
  };
  EXPECT_THAT(ContractError(Broken()), HasSubstr("Keep keeps other rows"));
}

TEST(ContractCanFailTest, ATrajectoryLengthThatIsNotTheLongest) {
  class Broken : public BrokenGrid {
   public:
    Broken() : wrong_(BrokenGrid::spec()) { ++wrong_.max_trajectory_length; }
    const EnvironmentSpec& spec() const override { return wrong_; }

   private:
    EnvironmentSpec wrong_;
  };
  EXPECT_THAT(ContractError(Broken()), HasSubstr("max_trajectory_length is 8"));
}

TEST(ContractCanFailTest, ObjectsThatReadBackAsOthers) {
  class Broken : public BrokenGrid {
    void AppendObjects(const StateBatch& s, std::vector<std::string>& out) const override {
      const size_t begin = out.size();
      BrokenGrid::AppendObjects(s, out);
      for (size_t i = begin; i < out.size(); ++i) std::reverse(out[i].begin(), out[i].end());
    }
  };
  EXPECT_THAT(ContractError(Broken()), HasSubstr("reads back as another"));
}

TEST(ContractCanFailTest, KeysThatCollide) {
  class Broken : public BrokenGrid {
    void AppendStateKeys(const StateBatch& s, std::vector<StateKey>& out) const override {
      out.resize(out.size() + s.size(), StateKey::Of("the same"));
    }
  };
  EXPECT_THAT(ContractError(Broken()), HasSubstr("share an object or a key"));
}

TEST(ContractCanFailTest, MalformedObjectsThatAreTaken) {
  const std::vector<std::string> in_truth_a_cell = {"1 1"};
  EXPECT_NE(CheckEnvironmentContract(BrokenGrid(), in_truth_a_cell), absl::OkStatus());
}

TEST(ContractCanFailTest, NumbersThatAreNoTopologicalOrder) {
  // The same cells numbered from the other end.
  class Reversed : public StateSpace {
   public:
    explicit Reversed(const StateSpace& space) : space_(space) {}
    int64_t num_states() const override { return space_.num_states(); }
    std::unique_ptr<StateBatch> States(int64_t begin, int64_t end) const override {
      std::vector<std::string> objects;
      for (int64_t i = begin; i < end; ++i) {
        grid_->AppendObjects(*space_.States(num_states() - 1 - i, num_states() - i), objects);
      }
      return *grid_->FromObjects(objects);
    }
    void Indices(const StateBatch& states, std::span<int64_t> out) const override {
      space_.Indices(states, out);
      for (int64_t& index : out) index = num_states() - 1 - index;
    }

   private:
    const StateSpace& space_;
    std::unique_ptr<Hypergrid> grid_ = *Hypergrid::Create({2, 4});
  };
  class Broken : public BrokenGrid {
   public:
    const StateSpace* state_space() const override { return &reversed_; }

   private:
    Reversed reversed_{*BrokenGrid::state_space()};
  };
  EXPECT_THAT(ContractError(Broken()), HasSubstr("state 0: it is not the source"));
}

}  // namespace
}  // namespace anabranch
