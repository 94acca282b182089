#include "replay/sum_tree.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "gflownet/random.h"
#include "gtest/gtest.h"

namespace anabranch {
namespace {

// Leaves in a plain array, every question answered by going through all of them.
struct NaiveTree {
  double total() const { return std::accumulate(weights.begin(), weights.end(), 0.0); }
  double max_rank() const {
    return ranks.empty() ? 0 : *std::max_element(ranks.begin(), ranks.end());
  }
  size_t Find(double u) const {
    double rest = u * total();
    for (size_t i = 0;; ++i) {
      if (rest < weights[i]) return i;
      rest -= weights[i];
    }
  }
  std::vector<double> weights;
  std::vector<double> ranks;
};

// One random change to both.
void Change(RandomStream& random, SumTree& tree, NaiveTree& naive, double weight, double rank) {
  const uint64_t what = random.NextBelow(5);
  if (naive.weights.empty() || what < 2) {
    tree.Append(weight, rank);
    naive.weights.push_back(weight);
    naive.ranks.push_back(rank);
  } else if (what == 2) {
    tree.RemoveLast();
    naive.weights.pop_back();
    naive.ranks.pop_back();
  } else {
    const size_t i = random.NextBelow(naive.weights.size());
    tree.Set(i, weight, rank);
    naive.weights[i] = weight;
    naive.ranks[i] = rank;
  }
}

// Whole numbers, whose sums are exact in any order.
TEST(SumTree, AgreesWithANaiveModelThroughAStorm) {
  RandomStream random(11, 1);
  SumTree tree;
  NaiveTree naive;
  for (int i = 0; i < 30'000; ++i) {
    Change(random, tree, naive, static_cast<double>(random.NextBelow(4)),
           static_cast<double>(random.NextBelow(1000)));
    ASSERT_EQ(tree.size(), naive.weights.size());
    ASSERT_EQ(tree.total(), naive.total());
    ASSERT_EQ(tree.max_rank(), naive.max_rank());
    if (tree.total() == 0) continue;
    const double u = random.NextUniformDouble();
    ASSERT_EQ(tree.Find(u), naive.Find(u)) << "u = " << u;
  }
}

// Sums of these lose digits, so a tree that subtracts what goes from its sums drifts.
TEST(SumTree, DependsOnItsLeavesAloneHoweverTheyCameAbout) {
  RandomStream random(12, 1);
  SumTree tree;
  NaiveTree naive;
  for (int i = 0; i < 100'000; ++i) {
    Change(random, tree, naive, std::exp2(static_cast<double>(random.NextBelow(160)) - 80), 1);
  }
  SumTree fresh;
  for (const double weight : naive.weights) fresh.Append(weight, 1);
  EXPECT_EQ(tree.total(), fresh.total());
  EXPECT_NEAR(tree.total(), naive.total(), 1e-12 * naive.total());
  for (int i = 0; i < 1000; ++i) {
    const double u = random.NextUniformDouble();
    ASSERT_EQ(tree.Find(u), fresh.Find(u));
  }
}

TEST(SumTree, NeverFindsAWeightOfZero) {
  const double last = std::nextafter(1.0, 0.0);
  RandomStream random(13, 1);
  for (int round = 0; round < 2000; ++round) {
    SumTree tree;
    const uint64_t n = 1 + random.NextBelow(20);
    for (uint64_t i = 0; i < n; ++i) {
      const bool zero = random.NextBelow(2) == 0;
      tree.Append(zero ? 0 : std::exp2(static_cast<double>(random.NextBelow(200)) - 100), 1);
    }
    if (tree.total() == 0) continue;
    for (const double u : {0.0, 0x1p-53, 0.5, random.NextUniformDouble(), last}) {
      const size_t found = tree.Find(u);
      ASSERT_LT(found, n);
      ASSERT_GT(tree.weight(found), 0) << "u = " << u;
    }
  }
}

TEST(SumTree, GreatestWeightsHaveAFiniteSum) {
  SumTree tree;
  for (int i = 0; i < 100'000; ++i) tree.Append(SumTree::kMaxWeight, 1);
  EXPECT_TRUE(std::isfinite(tree.total()));
}

}  // namespace
}  // namespace anabranch
