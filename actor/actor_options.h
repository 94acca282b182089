// What an actor is told, where it stands, and where its time goes.
#ifndef ANABRANCH_ACTOR_ACTOR_OPTIONS_H_
#define ANABRANCH_ACTOR_ACTOR_OPTIONS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "actor/exploration_schedule.h"
#include "actor/object_counts.h"
#include "runtime/components/run_identity.h"

namespace anabranch {

struct ActorOptions {
  RunIdentity identity;
  std::string name = "actor-0";  // For people.
  uint64_t seed = 0;
  uint64_t stream = 0;  // Of the actor's random numbers: each actor of a run has its own.
  int64_t rollout_trajectories = 16;
  ExplorationSchedule exploration;
  // Whether to go on when the oracle comes back under another fingerprint.
  bool allow_fingerprint_change = false;

  absl::Status Validate() const;
};

// Where an actor stands once it has rolled out a batch: what a checkpoint keeps of it.
struct ActorState {
  uint64_t random_position = 0;
  uint64_t sequence = 0;     // Of the last batch.
  int64_t trajectories = 0;  // Rolled out, rejected ones too.
  int64_t transitions = 0;   // Actions of these, stop included.
  int64_t rejected = 0;      // Not inserted: reward shaping leaves them out.
  int64_t non_finite = 0;    // Rejected because the oracle gave a number that isn't finite.
  // Objects, each counted once. At rest `asked` is the sum of the others.
  int64_t asked = 0;
  int64_t scored = 0;
  int64_t invalid = 0;
  int64_t failed = 0;
  int64_t budget_exhausted = 0;
  int64_t pending = 0;  // Kept until the oracle answers; now.

  // `deferred` is left out: whoever keeps these objects counts them as pending.
  void Add(const ObjectCounts& counts);
};

// Where its time went, in seconds, added up over batches.
struct ActorTimes {
  double policy = 0;
  double environment = 0;
  double reward = 0;  // Waiting for the oracle.
  double encode = 0;
  double insert = 0;  // Handing over, mostly waiting for the learner.
  double weights = 0;
};

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_ACTOR_OPTIONS_H_
