#include "tests/gflownet/environment/environment_contract.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gflownet/environment/hypergrid.h"
#include "gflownet/environment/sequence.h"
#include "gtest/gtest.h"

namespace anabranch {
namespace {

std::unique_ptr<Environment> Grid(int64_t dimensions, int64_t side) {
  return *Hypergrid::Create({dimensions, side});
}

std::unique_ptr<Environment> Strings(std::vector<std::string> vocabulary, int64_t min_length,
                                     int64_t max_length, SequenceGrowth growth) {
  return *Sequence::Create({std::move(vocabulary), min_length, max_length, growth});
}

struct Case {
  std::string name;
  std::function<std::unique_ptr<Environment>()> make;
};

class ContractTest : public testing::TestWithParam<Case> {};

TEST_P(ContractTest, HoldsOnEveryState) {
  auto environment = GetParam().make();
  EXPECT_EQ(CheckEnvironmentContract(*environment), absl::OkStatus());
}

constexpr auto kAppend = SequenceGrowth::kAppend;
constexpr auto kBoth = SequenceGrowth::kPrependOrAppend;

INSTANTIATE_TEST_SUITE_P(
    Environments, ContractTest,
    testing::Values(
        Case{"Hypergrid1x2", [] { return Grid(1, 2); }},
        Case{"Hypergrid2x8", [] { return Grid(2, 8); }},
        Case{"Hypergrid4x8", [] { return Grid(4, 8); }},
        Case{"AppendAcgtTo5", [] { return Strings({"A", "C", "G", "T"}, 0, 5, kAppend); }},
        Case{"AppendFixed4", [] { return Strings({"a", "b", "c"}, 4, 4, kAppend); }},
        Case{"AppendOneLetter", [] { return Strings({"a"}, 0, 6, kAppend); }},
        Case{"BothEndsAcgtTo5", [] { return Strings({"A", "C", "G", "T"}, 0, 5, kBoth); }},
        Case{"BothEndsFixed5", [] { return Strings({"a", "b", "c"}, 5, 5, kBoth); }},
        Case{"BothEndsOneLetter", [] { return Strings({"a"}, 0, 6, kBoth); }},
        Case{"BothEndsWords", [] { return Strings({"00", "01", "10"}, 1, 4, kBoth); }}),
    [](const testing::TestParamInfo<Case>& info) { return info.param.name; });

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

TEST(ContractCanFailTest, OneBackwardBitTooMany) {
  class Broken : public BrokenGrid {
    void AppendBackwardMask(const StateBatch& s, ActionMask& out) const override {
      BrokenGrid::AppendBackwardMask(s, out);
      out.dense[0] = 1;
    }
  };
  EXPECT_NE(ContractError(Broken()).find("distinct parents"), std::string::npos);
}

TEST(ContractCanFailTest, TwoActionsWithOneChild) {
  class Broken : public BrokenGrid {
    void Step(StateBatch& s, const ActionColumn& actions) const override {
      std::vector<int32_t> ids(actions.ids.begin(), actions.ids.end());
      for (int32_t& id : ids) id = id == 1 ? 0 : id;
      BrokenGrid::Step(s, {ids, {}});
    }
  };
  EXPECT_NE(ContractError(Broken()).find("one child"), std::string::npos);
}

TEST(ContractCanFailTest, UndoneByTheWrongAction) {
  class Broken : public BrokenGrid {
    void BackwardActions(const StateBatch& s, std::span<const int32_t> actions,
                         std::span<int32_t> out) const override {
      BrokenGrid::BackwardActions(s, actions, out);
      for (int32_t& action : out) action = action == 0 ? 1 : action == 1 ? 0 : action;
    }
  };
  EXPECT_NE(ContractError(Broken()), "");
}

}  // namespace
}  // namespace anabranch
