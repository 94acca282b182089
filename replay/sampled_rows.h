// What a sample consists of, before anything is copied.
#ifndef ANABRANCH_REPLAY_SAMPLED_ROWS_H_
#define ANABRANCH_REPLAY_SAMPLED_ROWS_H_

#include <cstdint>
#include <vector>

#include "replay/chunk.h"

namespace anabranch {

// A row of a chunk.
struct RowRef {
  uint32_t chunk = 0;  // Index into SampledRows::chunks.
  uint32_t row = 0;
};

// n sampled items in columns. Holds its chunks, so the tables may forget them meanwhile.
struct SampledRows {
  int64_t size() const { return static_cast<int64_t>(rows.size()); }
  void Reserve(int64_t n) {
    rows.reserve(n);
    keys.reserve(n);
    probabilities.reserve(n);
    priorities.reserve(n);
    times_sampled.reserve(n);
    table_index.reserve(n);
  }

  std::vector<ChunkRef> chunks;
  std::vector<RowRef> rows;             // [n]
  std::vector<uint64_t> keys;           // [n], unique within the run.
  std::vector<double> probabilities;    // [n], in (0, 1].
  std::vector<double> priorities;       // [n], 1 where the table has none.
  std::vector<uint32_t> times_sampled;  // [n], this time included.
  std::vector<uint32_t> table_index;    // [n], position in the mixture.
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_SAMPLED_ROWS_H_
