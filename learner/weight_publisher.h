// The learner's end of weight broadcast: takes snapshots from the training loop at the price of a
// pointer, and makes the newest known to all.
#ifndef ANABRANCH_LEARNER_WEIGHT_PUBLISHER_H_
#define ANABRANCH_LEARNER_WEIGHT_PUBLISHER_H_

#include <grpcpp/client_context.h>

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "anabranch/v1/weights.pb.h"
#include "runtime/channels.h"
#include "runtime/components/snapshot_codec.h"
#include "runtime/log.h"
#include "runtime/metrics.h"
#include "runtime/retry.h"
#include "runtime/rpc/weight_client.h"
#include "runtime/rpc/weight_store.h"

namespace anabranch {

struct WeightPublisherOptions {
  v1::Handshake handshake;                          // Whose weights, and who publishes.
  BackoffOptions backoff;                           // Of pushing to a holder.
  uint64_t seed = 0;                                // Of its jitter.
  absl::Duration push_timeout = absl::Seconds(60);  // Of one try.
  // A holder that has the newest is asked again after so long: it may have been started anew and
  // lost it, or know a learner of a higher generation.
  absl::Duration reoffer_interval = absl::Seconds(15);

  absl::Status Validate() const;
};

struct WeightPublisherCounters {
  int64_t published = 0;      // Snapshots that came into the store.
  int64_t skipped = 0;        // Snapshots that a newer one overtook before.
  int64_t pushed = 0;         // Snapshots that came to a holder.
  int64_t failed_pushes = 0;  // Tries that failed, most of them for want of a holder.
};

// One thread makes the newest snapshot into bytes and puts them into the store that WeightsService
// serves; another for each holder brings them there. Neither works through a backlog: what was
// overtaken is skipped. Thread-safe.
class WeightPublisher final : public WeightSink {
 public:
  // The codec is of the model that is trained. Store, log and metrics outlive it.
  static absl::StatusOr<std::unique_ptr<WeightPublisher>> Create(
      const WeightPublisherOptions& options, const Parameters& parameters, WeightStore& store,
      std::vector<WeightHolder> holders, Log& log, Metrics& metrics);
  // Ends pushes that are under way. Call Flush before, where the last snapshot matters.
  ~WeightPublisher() override;

  // The first snapshot is in the store when this returns; later ones soon after. Errors as fenced()
  // and, of earlier snapshots, what the store or the codec had against them.
  absl::Status Publish(std::shared_ptr<const WeightSnapshot> snapshot) override;
  // FAILED_PRECONDITION with reason STALE_GENERATION, naming both generations, once a learner of a
  // higher generation has published here or at a holder: this one must stop. Else OK.
  absl::Status fenced() const;
  // Blocks until the newest snapshot is in the store and at every holder. DEADLINE_EXCEEDED names a
  // holder that doesn't have it; or as Publish.
  absl::Status Flush(absl::Time deadline);

  WeightPublisherCounters counters() const;

 private:
  struct Holder;
  struct Meters;

  WeightPublisher(const WeightPublisherOptions& options, const Parameters& parameters,
                  WeightStore& store, std::vector<WeightHolder> holders, Log& log,
                  Metrics& metrics);

  // Into bytes, and into the store.
  absl::Status Store(const WeightSnapshot& snapshot);
  void RunStore();
  void RunPush(Holder& holder);
  // Blocks until there is something to offer to the holder; null when it is time to end.
  std::shared_ptr<const HeldSnapshot> NextPush(Holder& holder);
  absl::Status Push(Holder& holder, const HeldSnapshot& snapshot);
  void HandlePush(Holder& holder, const std::shared_ptr<const HeldSnapshot>& snapshot,
                  const absl::Status& status);

  const WeightPublisherOptions options_;
  const SnapshotCodec codec_;
  WeightStore& store_;
  Log& log_;
  const std::unique_ptr<Meters> meters_;

  mutable absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool first_ ABSL_GUARDED_BY(mu_) = true;
  bool storing_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status failed_ ABSL_GUARDED_BY(mu_);  // Of the store; names what to do.
  absl::Status fenced_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<const WeightSnapshot> waiting_ ABSL_GUARDED_BY(mu_);  // To be stored next.
  std::shared_ptr<const HeldSnapshot> stored_ ABSL_GUARDED_BY(mu_);     // To be pushed.
  WeightPublisherCounters counters_ ABSL_GUARDED_BY(mu_);
  std::vector<std::unique_ptr<Holder>> holders_;
  std::vector<std::thread> threads_;
};

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_WEIGHT_PUBLISHER_H_
