// Weights, of which one can be drawn with a probability proportional to it.
#ifndef ANABRANCH_REPLAY_SUM_TREE_H_
#define ANABRANCH_REPLAY_SUM_TREE_H_

#include <cstddef>
#include <vector>

namespace anabranch {

// A binary tree whose inner nodes hold the sum of their two children, always added up afresh and
// never by differences: so it is a function of the leaves alone, however they came about, and
// errors of rounding don't gather over time. Beside each weight stands a rank, of which the tree
// gives the greatest. Not thread-safe.
class SumTree {
 public:
  // Such that the sum of all of them is finite.
  static constexpr double kMaxWeight = 0x1p900;

  size_t size() const { return size_; }
  // Weights are 0 to kMaxWeight, ranks finite and at least 0. Amortised O(log n).
  void Append(double weight, double rank);
  // i < size().
  void Set(size_t i, double weight, double rank);
  // At least one is there.
  void RemoveLast();

  double weight(size_t i) const { return nodes_[capacity_ + i].weight; }
  double rank(size_t i) const { return nodes_[capacity_ + i].rank; }
  double total() const { return size_ == 0 ? 0 : nodes_[1].weight; }
  // 0 if there are none.
  double max_rank() const { return size_ == 0 ? 0 : nodes_[1].rank; }
  // The leaf in which the fraction u of the total lies, u in [0, 1). Never one of weight 0. The
  // total is above 0.
  size_t Find(double u) const;

 private:
  struct Node {
    double weight = 0;
    double rank = 0;
  };
  void Update(size_t node);
  void Grow();

  size_t size_ = 0;
  size_t capacity_ = 0;      // A power of 2, or 0.
  std::vector<Node> nodes_;  // The children of i are 2 i and 2 i + 1; leaves begin at capacity_.
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_SUM_TREE_H_
