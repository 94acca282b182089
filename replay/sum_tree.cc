#include "replay/sum_tree.h"

#include <algorithm>

namespace anabranch {

void SumTree::Update(size_t node) {
  const Node& left = nodes_[2 * node];
  const Node& right = nodes_[2 * node + 1];
  nodes_[node] = {left.weight + right.weight, std::max(left.rank, right.rank)};
}

void SumTree::Grow() {
  const size_t capacity = std::max<size_t>(2, 2 * capacity_);
  std::vector<Node> nodes(2 * capacity);
  std::copy_n(nodes_.begin() + static_cast<ptrdiff_t>(capacity_), size_,
              nodes.begin() + static_cast<ptrdiff_t>(capacity));
  nodes_ = std::move(nodes);
  capacity_ = capacity;
  for (size_t node = capacity_ - 1; node >= 1; --node) Update(node);
}

void SumTree::Append(double weight, double rank) {
  if (size_ == capacity_) Grow();
  ++size_;
  Set(size_ - 1, weight, rank);
}

void SumTree::Set(size_t i, double weight, double rank) {
  size_t node = capacity_ + i;
  nodes_[node] = {weight, rank};
  while (node > 1) Update(node /= 2);
}

void SumTree::RemoveLast() {
  Set(size_ - 1, 0, 0);
  --size_;
}

size_t SumTree::Find(double u) const {
  double rest = u * nodes_[1].weight;
  size_t node = 1;
  while (node < capacity_) {
    const double left = nodes_[2 * node].weight;
    const double right = nodes_[2 * node + 1].weight;
    // The rest may have been rounded up to the end of its interval: hence the looks at 0.
    if (right == 0 || (left > 0 && rest < left)) {
      node = 2 * node;
    } else {
      rest -= left;
      node = 2 * node + 1;
    }
  }
  return node - capacity_;
}

}  // namespace anabranch
