// Has batches scored, also by an oracle that comes back as another one.
#ifndef ANABRANCH_ACTOR_BATCH_SCORER_H_
#define ANABRANCH_ACTOR_BATCH_SCORER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "actor/reward_asker.h"
#include "actor/score_task.h"
#include "actor/shared_oracle.h"
#include "gflownet/trajectory/trajectories.h"
#include "runtime/retry.h"
#include "runtime/trajectory_codec.h"

namespace anabranch {

// The task's options for this oracle.
ScoreTaskOptions OptionsFor(const Oracle& oracle, ScoreTaskOptions options);

// One thread uses it. The oracle outlives it.
class BatchScorer {
 public:
  // Of `options` what the oracle itself describes is filled in.
  BatchScorer(RewardAsker asker, SharedOracle& oracle, ScoreTaskOptions options,
              const BackoffOptions& backoff, uint64_t seed, RewardAsker::Sleeper sleep);

  // Until every object is answered or deferred; all values are of one oracle, whose fingerprint is
  // written into the header. Both arguments outlive the task. Errors as RewardAsker::Ask and
  // SharedOracle::Renew. Blocks, for as long as the oracle takes.
  absl::StatusOr<std::unique_ptr<ScoreTask>> Score(BatchHeader& header,
                                                   const Trajectories& trajectories,
                                                   const std::vector<std::string>& tickets = {});

 private:
  RewardAsker asker_;
  SharedOracle& oracle_;
  const ScoreTaskOptions options_;
  Backoff changes_;  // Between changes of the fingerprint.
  const RewardAsker::Sleeper sleep_;
};

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_BATCH_SCORER_H_
