// Which modes of the reward training has come across.
#ifndef ANABRANCH_LEARNER_MODE_COUNTER_H_
#define ANABRANCH_LEARNER_MODE_COUNTER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "gflownet/environment/environment.h"
#include "gflownet/environment/reward_function.h"
#include "gflownet/evaluation/modes.h"
#include "gflownet/trajectory/trajectories.h"
#include "runtime/channels.h"

namespace anabranch {

// Notes which modes the objects of sampled batches belong to. (Replay's object store could tell
// too, but it forgets objects when it is full.) Thread-safe. Environment and reward outlive it.
class ModeCounter {
 public:
  // Without a reward (null), where only oracles know the values, there are no modes to count.
  ModeCounter(const Environment& environment, const RewardFunction* reward)
      : environment_(environment) {
    if (reward != nullptr) modes_.emplace(*reward);
  }

  // Legal trajectories. Their objects are rebuilt where the batch doesn't carry them.
  void Add(const Trajectories& trajectories);

  // Counts on from the best objects that replay remembers: an object of a mode is among the best.
  // Blocks; errors are replay's.
  absl::Status AddBestOf(ReplayClient& replay, const v1::Handshake& handshake);

  int64_t num_found() const;
  int64_t num_modes() const;  // 0 where the reward defines none, or there is none.

 private:
  // Whether there is anything left to find.
  bool Searches() const;
  void AddObjects(std::span<const std::string> objects);

  const Environment& environment_;
  mutable absl::Mutex mu_;
  std::optional<ModeTracker> modes_ ABSL_GUARDED_BY(mu_);
};

// Canonical bytes of what legal trajectories end in, [n].
std::vector<std::string> TerminalObjects(const Environment& environment,
                                         const Trajectories& trajectories);

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_MODE_COUNTER_H_
