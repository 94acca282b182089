// Batches for the benchmarks of the replay server.
#ifndef ANABRANCH_BENCHMARKS_REPLAY_BATCHES_H_
#define ANABRANCH_BENCHMARKS_REPLAY_BATCHES_H_

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/status/statusor.h"
#include "anabranch/v1/replay.pb.h"
#include "gflownet/random.h"

namespace anabranch::benchmarks {

inline constexpr char kRun[] = "benchmark";
inline constexpr char kEnvironment[] = "none/1.0.0";

// n trajectories as an actor sends them, each with an object of its own, numbered from `first`; 1
// to 2 * mean_length - 1 actions each.
v1::InsertBatch MakeInsertBatch(int first, int n, int mean_length, RandomStream& random);

// Ends the program with the error, if it is one.
template <typename T>
T Must(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  std::fprintf(stderr, "%s\n", value.status().ToString().c_str());
  std::exit(1);
}

}  // namespace anabranch::benchmarks

#endif  // ANABRANCH_BENCHMARKS_REPLAY_BATCHES_H_
