// What all batches of a replay server must agree on, so that rows of any of them fit into one
// batch.
#ifndef ANABRANCH_REPLAY_BATCH_AGREEMENT_H_
#define ANABRANCH_REPLAY_BATCH_AGREEMENT_H_

#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "anabranch/v1/identity.pb.h"
#include "anabranch/v1/trajectory.pb.h"

namespace anabranch {

// Widths of actions, objectives and their oracle, object format, reward shaping, and the make-up of
// conditions. The first batch that has an item settles it; what is optional (objects, log-rewards,
// conditions) may be missing in any batch. Where the oracle may change (the run's
// reward.allow_fingerprint_change), the newest one counts. Thread-safe.
class BatchAgreement {
 public:
  explicit BatchAgreement(bool oracle_may_change) : oracle_may_change_(oracle_may_change) {}

  // Why the batch doesn't fit (FAILED_PRECONDITION, both values named), or nothing; it then counts
  // as one of the batches to agree with.
  std::optional<v1::Refusal> Join(const v1::TrajectoryBatch& batch);

  // As a batch without trajectories; empty before the first batch.
  v1::TrajectoryBatch Save() const;
  void Restore(const v1::TrajectoryBatch& layout);

 private:
  const bool oracle_may_change_;
  mutable absl::Mutex mu_;
  v1::TrajectoryBatch layout_ ABSL_GUARDED_BY(mu_);
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_BATCH_AGREEMENT_H_
