#include "tests/gflownet/environment/environment_contract.h"

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
  std::vector<std::string> malformed;
};

class ContractTest : public testing::TestWithParam<Case> {};

TEST_P(ContractTest, HoldsOnEveryState) {
  auto environment = GetParam().make();
  EXPECT_EQ(CheckEnvironmentContract(*environment, GetParam().malformed), absl::OkStatus());
}

constexpr auto kAppend = SequenceGrowth::kAppend;
constexpr auto kBoth = SequenceGrowth::kPrependOrAppend;
const std::vector<std::string> kAcgt = {"A", "C", "G", "T"};
const std::vector<std::string> kNoCells = {"",     "1",    "1 ",    " 1 1",         "1 8",  "1  1",
                                           "1 1 ", "01 1", "+1 1",  "-1 1",         "1\t1", "1 1 1",
                                           "a b",  "1,1",  "0x1 1", "1 99999999999"};

INSTANTIATE_TEST_SUITE_P(
    Environments, ContractTest,
    testing::Values(
        Case{"Hypergrid1x2", [] { return Grid(1, 2); }, {"", "2", "-1", "00"}},
        Case{"Hypergrid2x8", [] { return Grid(2, 8); }, kNoCells},
        Case{"Hypergrid4x8", [] { return Grid(4, 8); }, {"1 2 3", "1 2 3 8", "1 2 3 4 5"}},
        Case{"Hypergrid2x16", [] { return Grid(2, 16); }, {"16 1", "1 16", "015 1"}},
        Case{"AppendAcgtTo5", [] { return Strings(kAcgt, 0, 5, kAppend); }, {"a", "ACGTAC", "A C"}},
        Case{"AppendAbcTo4", [] { return Strings({"a", "b", "c"}, 1, 4, kAppend); }, {"", "d"}},
        Case{"AppendFixed4", [] { return Strings({"a", "b", "c"}, 4, 4, kAppend); }, {"abc", ""}},
        Case{"AppendOneLetter", [] { return Strings({"a"}, 0, 6, kAppend); }, {"aaaaaaa"}},
        Case{"BothEndsAcgtTo5", [] { return Strings(kAcgt, 0, 5, kBoth); }, {"X", "ACGTAC"}},
        Case{"BothEndsAbcTo4", [] { return Strings({"a", "b", "c"}, 0, 4, kBoth); }, {"abcd"}},
        Case{"BothEndsFixed5", [] { return Strings({"a", "b", "c"}, 5, 5, kBoth); }, {"abca"}},
        Case{"BothEndsOneLetter", [] { return Strings({"a"}, 0, 6, kBoth); }, {"b"}},
        Case{"BothEndsLength1", [] { return Strings({"a", "b"}, 0, 1, kBoth); }, {"ab"}},
        Case{"BothEndsWords",
             [] { return Strings({"00", "01", "10"}, 1, 4, kBoth); },
             {"", "0", "11", "000", "0011"}}),
    [](const testing::TestParamInfo<Case>& info) { return info.param.name; });

TEST(ContractTest, ASpaceTooLargeToCountIsNotChecked) {
  EXPECT_EQ(CheckEnvironmentContract(*Grid(20, 20)).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace anabranch
