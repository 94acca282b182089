#include "gflownet/environment/sequence_states.h"

#include <utility>

#include "gflownet/environment/state_space_limit.h"

namespace anabranch {

std::unique_ptr<SequenceSpace> SequenceSpace::Create(int32_t vocabulary, int32_t max_length) {
  std::vector<int64_t> first = {0};
  int64_t of_length = 1;
  for (int32_t length = 0; length <= max_length; ++length) {
    if (of_length > kMaxEnumerableStates - first.back()) return nullptr;
    first.push_back(first.back() + of_length);
    of_length *= vocabulary;
  }
  return std::unique_ptr<SequenceSpace>(new SequenceSpace(vocabulary, std::move(first)));
}

std::unique_ptr<StateBatch> SequenceSpace::States(int64_t begin, int64_t end) const {
  const auto max_length = static_cast<int32_t>(first_.size()) - 2;
  auto states = std::make_unique<SequenceStates>(max_length, end - begin);
  for (int64_t i = begin; i < end; ++i) {
    const auto after = std::upper_bound(first_.begin(), first_.end(), i);
    const auto length = static_cast<int32_t>(after - first_.begin()) - 1;
    states->lengths[i - begin] = length;
    int64_t rest = i - first_[length];
    int32_t* row = states->Row(i - begin);
    for (int32_t p = length - 1; p >= 0; --p, rest /= vocabulary_) {
      row[p] = static_cast<int32_t>(rest % vocabulary_);
    }
  }
  return states;
}

void SequenceSpace::Indices(const StateBatch& states, std::span<int64_t> out) const {
  const auto& sequences = static_cast<const SequenceStates&>(states);
  for (int64_t i = 0; i < sequences.size(); ++i) {
    int64_t rank = 0;
    const int32_t* row = sequences.Row(i);
    for (int32_t p = 0; p < sequences.lengths[i]; ++p) rank = rank * vocabulary_ + row[p];
    out[i] = first_[sequences.lengths[i]] + rank;
  }
}

}  // namespace anabranch
