// The actor's end of weight broadcast: always the newest snapshot, from whoever has it.
#ifndef ANABRANCH_RUNTIME_RPC_WEIGHT_SUBSCRIBER_H_
#define ANABRANCH_RUNTIME_RPC_WEIGHT_SUBSCRIBER_H_

#include <grpcpp/client_context.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "anabranch/v1/weights.pb.h"
#include "runtime/channels.h"
#include "runtime/log.h"
#include "runtime/metrics.h"
#include "runtime/retry.h"
#include "runtime/rpc/weight_assembly.h"
#include "runtime/rpc/weight_client.h"

namespace anabranch {

// What a verified blob says, ready for use. Called by one thread at a time; `blob` is valid during
// the call. FAILED_PRECONDITION with reason SCHEMA_MISMATCH, or DATA_LOSS, for a blob of no use.
using DecodeSnapshot = std::function<absl::StatusOr<std::shared_ptr<const WeightSnapshot>>(
    const v1::SnapshotManifest& manifest, absl::string_view blob)>;

struct WeightSubscriberOptions {
  v1::Handshake handshake;                              // Whose run's weights, and who asks.
  std::string schema_sha256;                            // Of this process's network, 32 bytes.
  BackoffOptions backoff{.maximum = absl::Seconds(2)};  // Of watching, and of fetching.
  uint64_t seed = 0;                                    // Of the backoff's jitter.
  absl::Duration fetch_timeout = absl::Seconds(30);     // Of one try, which goes on where it ended.
  uint64_t max_snapshot_bytes = uint64_t{4} << 30;

  absl::Status Validate() const;
};

struct WeightSubscriberCounters {
  int64_t swaps = 0;          // Snapshots that came into use.
  int64_t refused = 0;        // Snapshots that did not: another run's, damaged, older, ….
  int64_t interruptions = 0;  // Fetches that broke off and went on, or will.
  uint64_t fetched_bytes = 0;
  std::string source;  // Name of the holder watched; empty while there is none.
};

// Watches the first of the holders that answers, in their order, and goes back to an earlier one as
// soon as that answers again; it never takes a snapshot that is not newer than the one in use,
// whoever offers it. A snapshot that is refused is logged and counted, and the old one stays.
// Notices that come during a fetch replace each other. Thread-safe.
class WeightSubscriber final : public WeightSource {
 public:
  // Log and metrics outlive it. INVALID_ARGUMENT names the option.
  static absl::StatusOr<std::unique_ptr<WeightSubscriber>> Start(
      const WeightSubscriberOptions& options, std::vector<WeightHolder> holders,
      DecodeSnapshot decode, Log& log, Metrics& metrics);
  // As Cancel, and waits for its thread.
  ~WeightSubscriber() override;

  // Never blocks: null until the first has come. Always OK.
  absl::StatusOr<std::shared_ptr<const WeightSnapshot>> Newest() override;
  // Blocks until there is a snapshot. DEADLINE_EXCEEDED says what was tried; CANCELLED after
  // Cancel; FAILED_PRECONDITION when a holder serves another run or another environment, or has
  // weights of another network: waiting will not help.
  absl::Status AwaitFirst(absl::Time deadline);
  // Ends AwaitFirst, watches and fetches, now and later. What is in use stays.
  void Cancel();

  WeightSubscriberCounters counters() const;

 private:
  struct Holder;
  struct Meters;

  WeightSubscriber(const WeightSubscriberOptions& options, std::vector<WeightHolder> holders,
                   DecodeSnapshot decode, Log& log, Metrics& metrics);

  void Run();
  // Reads what the watches have to say, starts those that are due, ends those no longer wanted.
  // Returns when the next is due.
  absl::Time TendWatches();
  void Tend(Holder& holder, bool wanted);
  void StartWatch(Holder& holder);
  void EndWatch(Holder& holder, const absl::Status& status);
  // The holder of the newest notice worth a fetch, or null; the time when there may be one.
  Holder* BestNotice(absl::Time* due);
  void Take(Holder& holder);
  absl::Status CheckNotice(const v1::SnapshotManifest& manifest) const;
  absl::Status Fetch(Holder& holder, const v1::Blob& blob);
  void HandleBrokenFetch(Holder& holder, const absl::Status& status);
  absl::Status Use(const v1::SnapshotManifest& manifest);
  void Reject(Holder& holder, const absl::Status& status);
  void Wake();
  void SleepUntil(absl::Time due);
  bool cancelled() const;

  const WeightSubscriberOptions options_;
  const DecodeSnapshot decode_;
  Log& log_;
  const std::unique_ptr<Meters> meters_;
  // Used by thread_ alone.
  std::vector<std::unique_ptr<Holder>> holders_;
  std::optional<BlobAssembly> assembly_;  // A fetch under way.
  std::string buffer_;                    // Of the last fetch, to be used again.
  std::optional<v1::PolicyVersion> in_use_;

  mutable absl::Mutex mu_;
  bool woken_ ABSL_GUARDED_BY(mu_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  grpc::ClientContext* fetching_ ABSL_GUARDED_BY(mu_) = nullptr;
  std::shared_ptr<const WeightSnapshot> newest_ ABSL_GUARDED_BY(mu_);
  absl::Status hopeless_ ABSL_GUARDED_BY(mu_);  // Why waiting will not help.
  absl::Status trouble_ ABSL_GUARDED_BY(mu_);   // The last error, for messages.
  WeightSubscriberCounters counters_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_WEIGHT_SUBSCRIBER_H_
