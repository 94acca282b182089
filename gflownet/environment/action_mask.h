// Which actions are legal, for a batch of states.
#ifndef ANABRANCH_GFLOWNET_ENVIRONMENT_ACTION_MASK_H_
#define ANABRANCH_GFLOWNET_ENVIRONMENT_ACTION_MASK_H_

#include <algorithm>
#include <cstdint>
#include <vector>

namespace anabranch {

// Marks the absence of an action: the backward action of a source state.
inline constexpr int32_t kNoAction = -1;

// The legal actions of `rows` states. Exact, never approximate: an action is legal if and only if
// it leads to a state, and of several actions that lead to the same state exactly one is legal.
// Otherwise p(x) would be biased towards states with many equivalent ways in.
struct ActionMask {
  enum class Kind {
    kNone,    // Every action is legal in every state.
    kDense,   // One byte per action, 1 = legal.
    kSparse,  // Lists of legal ids, ascending: for large action sets of which few are legal.
  };

  explicit ActionMask(int64_t num_actions = 0, Kind kind = Kind::kDense)
      : kind(kind), num_actions(num_actions) {
    Clear();
  }

  void Clear() {
    rows = 0;
    dense.clear();
    legal.clear();
    legal_offsets.assign(1, 0);
  }

  bool IsLegal(int64_t row, int32_t action) const {
    if (action < 0 || action >= num_actions) return false;
    if (kind == Kind::kNone) return true;
    if (kind == Kind::kDense) return dense[row * num_actions + action] != 0;
    return std::binary_search(legal.begin() + legal_offsets[row],
                              legal.begin() + legal_offsets[row + 1], action);
  }

  int64_t CountLegal(int64_t row) const {
    if (kind == Kind::kNone) return num_actions;
    if (kind == Kind::kSparse) return legal_offsets[row + 1] - legal_offsets[row];
    auto first = dense.begin() + row * num_actions;
    return std::count(first, first + num_actions, 1);
  }

  Kind kind;
  int64_t num_actions;
  int64_t rows = 0;
  std::vector<uint8_t> dense;          // kDense: [rows, num_actions], each byte 0 or 1.
  std::vector<int32_t> legal;          // kSparse: row i is [legal_offsets[i], legal_offsets[i+1]).
  std::vector<int64_t> legal_offsets;  // kSparse: [rows + 1].
};

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_ENVIRONMENT_ACTION_MASK_H_
