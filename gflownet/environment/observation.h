// What a policy sees of a state: columns over a batch of states, in one of four encodings.
#ifndef ANABRANCH_GFLOWNET_ENVIRONMENT_OBSERVATION_H_
#define ANABRANCH_GFLOWNET_ENVIRONMENT_OBSERVATION_H_

#include <cstdint>
#include <vector>

namespace anabranch {

enum class ObservationKind {
  // A dense 0/1 vector given by the columns that are 1, the same number in every row. A first
  // linear layer over it is a gather and a sum of weight rows, not a matrix product.
  kMultiHot,
  kDense,   // A fixed number of real features.
  kTokens,  // A ragged sequence of token ids.
  kGraph,   // A ragged graph: typed nodes and typed, directed edges.
};

// The fixed shape of one kind of observation, known before any state is.
struct ObservationSpec {
  ObservationKind kind = ObservationKind::kDense;
  int64_t width = 0;        // kMultiHot, kDense: features in a row.
  int64_t hot_per_row = 0;  // kMultiHot: features that are 1 in a row.
  int64_t vocabulary = 0;   // kTokens: token ids lie in [0, vocabulary). kGraph: node types do.
  int64_t max_length = 0;   // kTokens: tokens in a row at most. kGraph: nodes at most.
  int64_t edge_types = 0;   // kGraph: edge types lie in [0, edge_types).
};

// `rows` observations of one kind; only the columns of that kind are filled. Reused between steps:
// Clear() keeps the memory.
struct ObservationBatch {
  explicit ObservationBatch(ObservationSpec s = {}) : spec(s) { Clear(); }

  void Clear() {
    rows = 0;
    hot.clear();
    dense.clear();
    tokens.clear();
    token_offsets.assign(1, 0);
    node_types.clear();
    node_offsets.assign(1, 0);
    edge_sources.clear();
    edge_targets.clear();
    edge_kinds.clear();
    edge_offsets.assign(1, 0);
  }

  ObservationSpec spec;
  int64_t rows = 0;

  std::vector<int32_t> hot;  // kMultiHot: [rows, hot_per_row], columns in [0, width).
  std::vector<float> dense;  // kDense: [rows, width].

  std::vector<int32_t> tokens;         // kTokens: row i is [token_offsets[i], token_offsets[i+1]).
  std::vector<int64_t> token_offsets;  // [rows + 1]

  std::vector<int32_t> node_types;    // kGraph: nodes of row i are [node_offsets[i], …[i+1]).
  std::vector<int64_t> node_offsets;  // [rows + 1]
  std::vector<int32_t> edge_sources;  // Node numbers count from the row's first node.
  std::vector<int32_t> edge_targets;
  std::vector<int32_t> edge_kinds;
  std::vector<int64_t> edge_offsets;  // [rows + 1]
};

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_ENVIRONMENT_OBSERVATION_H_
