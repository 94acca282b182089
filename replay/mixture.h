// Splits sampled batches among tables by share.
#ifndef ANABRANCH_REPLAY_MIXTURE_H_
#define ANABRANCH_REPLAY_MIXTURE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace anabranch {

// Whole numbers of trajectories for every batch, such that each table's total never strays from its
// share by as much as the number of tables. Integers only: exact, and the same after a restore. Not
// thread-safe.
class Mixture {
 public:
  // Shares above 0 that sum to 1 (to 1e-6; they are normalised). INVALID_ARGUMENT names the index.
  static absl::StatusOr<Mixture> Create(std::span<const double> shares);

  // How many of n trajectories come from each table; they sum to n.
  std::vector<int64_t> Next(int64_t n);
  // Takes back the last Next(n), which gave `counts`.
  void Undo(int64_t n, std::span<const int64_t> counts);

  // What each table is owed, in 2^-32 trajectories; they sum to 0.
  const std::vector<int64_t>& credits() const { return credits_; }
  // INVALID_ARGUMENT unless there is one for each table and they sum to 0.
  absl::Status RestoreCredits(std::span<const int64_t> credits);

 private:
  std::vector<int64_t> shares_;  // In 2^-32; they sum to 2^32.
  std::vector<int64_t> credits_;
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_MIXTURE_H_
