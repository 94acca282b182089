// Batches that are fetched and prepared while the last one is trained on.
#ifndef ANABRANCH_LEARNER_BATCH_PIPELINE_H_
#define ANABRANCH_LEARNER_BATCH_PIPELINE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "gflownet/environment/observation.h"
#include "learner/batch_preparer.h"
#include "runtime/channels.h"

namespace anabranch {

struct BatchPipelineOptions {
  int64_t max_batches = 2;  // Fetched and not yet taken.
  int64_t threads = 1;      // That prepare; 0 prepares in the thread that takes.

  absl::Status Validate() const;
};

// One thread takes batches from a stream, others prepare them, and one takes them out, in the
// stream's order whoever was ready first. Thread-safe as far as that; the stream's Acknowledge
// stays the caller's.
class BatchPipeline {
 public:
  // Starts the threads. Stream and preparer outlive it.
  static absl::StatusOr<std::unique_ptr<BatchPipeline>> Start(const BatchPipelineOptions& options,
                                                              const ObservationSpec& observation,
                                                              SampleStream& samples,
                                                              const BatchPreparer& preparer);
  // Cancels the stream and waits for the threads.
  ~BatchPipeline();

  // The next batch. Blocks until there is one. Errors are the stream's (after the batches that came
  // before it, and then for ever) or the preparer's.
  absl::StatusOr<std::unique_ptr<PreparedBatch>> Next();
  // Whether Next would not block.
  bool Ready() const { return Ready(absl::ZeroDuration()); }
  // The same after waiting for that, but not for longer than this.
  bool Ready(absl::Duration wait) const;
  // Gives a batch's memory back for the next one.
  void Recycle(std::unique_ptr<PreparedBatch> batch);

 private:
  struct Slot {
    std::unique_ptr<PreparedBatch> batch;
    v1::SampledBatch sampled;
    absl::Status status;
    bool taken = false;  // By somebody who prepares it.
    bool ready = false;
  };

  BatchPipeline(const BatchPipelineOptions& options, const ObservationSpec& observation,
                SampleStream& samples, const BatchPreparer& preparer);
  void Fetch();
  void Work();
  void Prepare(Slot& slot);
  std::unique_ptr<PreparedBatch> NewBatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool HasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool FrontIsReady() const ABSL_SHARED_LOCKS_REQUIRED(mu_);

  const BatchPipelineOptions options_;
  const ObservationSpec observation_;
  SampleStream& samples_;
  const BatchPreparer& preparer_;

  mutable absl::Mutex mu_;
  // In the stream's order. One that is taken is its preparer's until it is ready.
  std::deque<std::unique_ptr<Slot>> slots_ ABSL_GUARDED_BY(mu_);
  std::vector<std::unique_ptr<PreparedBatch>> spare_ ABSL_GUARDED_BY(mu_);
  absl::Status ended_ ABSL_GUARDED_BY(mu_);  // The stream's error, once it has come.
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_BATCH_PIPELINE_H_
