// The channels of runtime/channels.h where all roles share one process. (Replay needs none:
// ReplayService is a ReplayClient.)
#ifndef ANABRANCH_CLI_TRAIN_IN_PROCESS_CHANNELS_H_
#define ANABRANCH_CLI_TRAIN_IN_PROCESS_CHANNELS_H_

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "runtime/channels.h"

namespace anabranch {

// Holds the newest snapshot. Thread-safe; never blocks for longer than it takes to copy a pointer.
class InProcessWeights final : public WeightSource, public WeightSink {
 public:
  absl::StatusOr<std::shared_ptr<const WeightSnapshot>> Newest() override;
  // FAILED_PRECONDITION also for a version that is not newer than the one held.
  absl::Status Publish(std::shared_ptr<const WeightSnapshot> snapshot) override;

 private:
  absl::Mutex mu_;
  std::shared_ptr<const WeightSnapshot> newest_ ABSL_GUARDED_BY(mu_);
};

}  // namespace anabranch

#endif  // ANABRANCH_CLI_TRAIN_IN_PROCESS_CHANNELS_H_
