// Sequences as a struct of arrays, and their numbering. Private to sequence.cc.
#ifndef ANABRANCH_GFLOWNET_ENVIRONMENT_SEQUENCE_STATES_H_
#define ANABRANCH_GFLOWNET_ENVIRONMENT_SEQUENCE_STATES_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "gflownet/environment/environment.h"

namespace anabranch {

struct SequenceStates final : public StateBatch {
  SequenceStates(int32_t capacity, int64_t n)
      : capacity(capacity), lengths(n, 0), tokens(n * capacity, 0) {}
  int64_t size() const override { return static_cast<int64_t>(lengths.size()); }
  int32_t* Row(int64_t i) { return tokens.data() + i * capacity; }
  const int32_t* Row(int64_t i) const { return tokens.data() + i * capacity; }
  // Whether the sequence has no token but `token`; the empty one has none.
  bool ConsistsOf(int64_t i, int32_t token) const {
    return std::all_of(Row(i), Row(i) + lengths[i], [token](int32_t t) { return t == token; });
  }

  int32_t capacity;              // Tokens that a row has room for.
  std::vector<int32_t> lengths;  // [n]
  std::vector<int32_t> tokens;   // [n, capacity]; beyond a row's length they mean nothing.
};

// Shorter sequences come first, those of one length in lexicographic order: a child is longer than
// its parents.
class SequenceSpace final : public StateSpace {
 public:
  // Null when there are more than kMaxEnumerableStates sequences.
  static std::unique_ptr<SequenceSpace> Create(int32_t vocabulary, int32_t max_length);

  int64_t num_states() const override { return first_.back(); }
  std::unique_ptr<StateBatch> States(int64_t begin, int64_t end) const override;
  void Indices(const StateBatch& states, std::span<int64_t> out) const override;

 private:
  SequenceSpace(int32_t vocabulary, std::vector<int64_t> first)
      : vocabulary_(vocabulary), first_(std::move(first)) {}

  int32_t vocabulary_;
  std::vector<int64_t> first_;  // [max_length + 2] the number of the first sequence of each length.
};

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_ENVIRONMENT_SEQUENCE_STATES_H_
