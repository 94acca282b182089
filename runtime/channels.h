// What one role knows of the others: clients that speak the contracts of proto/, whether the other
// side is a socket away or in the same process. Roles include this, never each other.
//
// All calls may block, and errors carry the codes that a socket would: UNAVAILABLE (try again),
// CANCELLED (the run is ending), FAILED_PRECONDITION (another run, environment, oracle or learner
// generation; the message names both).
#ifndef ANABRANCH_RUNTIME_CHANNELS_H_
#define ANABRANCH_RUNTIME_CHANNELS_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "anabranch/v1/replay.pb.h"
#include "anabranch/v1/reward.pb.h"
#include "anabranch/v1/weights.pb.h"

namespace anabranch {

// RewardService. Thread-safe.
class RewardClient {
 public:
  virtual ~RewardClient() = default;
  virtual absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) = 0;
  virtual absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) = 0;
};

// ReplayService.Insert after its opening. One thread uses it at a time.
class InsertStream {
 public:
  virtual ~InsertStream() = default;
  // What answered the opening.
  virtual const v1::InsertOpened& opened() const = 0;
  // Blocks while the tables' pacing (samples per insert) holds inserts back: this is what keeps
  // actors in step with the learner. A refused batch is an acknowledgement, not an error.
  virtual absl::StatusOr<v1::InsertAcknowledgement> Insert(v1::InsertBatch batch) = 0;
  // Ends an Insert that waits, now and later, with CANCELLED. From any thread.
  virtual void Cancel() = 0;
};

// ReplayService.Sample after its opening. One thread takes batches; another may acknowledge them.
class SampleStream {
 public:
  // Batches that were taken but not acknowledged, and those that were fetched ahead, are handed out
  // again by replay.
  virtual ~SampleStream() = default;
  // The next batch. Blocks until the tables hold one and pacing admits it.
  virtual absl::StatusOr<v1::SampledBatch> Next() = 0;
  // As Next, but nothing where Next would block.
  virtual absl::StatusOr<std::optional<v1::SampledBatch>> TryNext() = 0;
  // The batch with this lease is done with: its used-once items go for good. 0 does nothing.
  virtual void Acknowledge(uint64_t lease_id) = 0;
  // Ends a Next that waits, now and later, with CANCELLED. From any thread.
  virtual void Cancel() = 0;
};

// ReplayService. Thread-safe; its streams outlive neither it nor each other's threads.
class ReplayClient {
 public:
  virtual ~ReplayClient() = default;
  virtual absl::StatusOr<std::unique_ptr<InsertStream>> OpenInsert(
      const v1::InsertOpening& opening) = 0;
  virtual absl::StatusOr<std::unique_ptr<SampleStream>> OpenSample(
      const v1::SampleOpening& opening) = 0;
  // One page.
  virtual absl::StatusOr<v1::QueryObjectsResponse> QueryObjects(
      const v1::QueryObjectsRequest& request) = 0;
  virtual absl::StatusOr<v1::GetInfoResponse> GetInfo(const v1::GetInfoRequest& request) = 0;
  virtual absl::StatusOr<v1::UpdatePrioritiesResponse> UpdatePriorities(
      const v1::UpdatePrioritiesRequest& request) = 0;
};

// A snapshot of the weights, ready to be copied into a model's parameters. Immutable once shared.
struct WeightSnapshot {
  // Who and what. Has no blobs before the snapshot leaves its process: whoever publishes it makes
  // the bytes and their hash.
  v1::SnapshotManifest manifest;
  // Parameters::Schema() of the model that `values` fit.
  std::string schema;
  // All parameters as they lie in Parameters::values(), padding included.
  std::vector<float> values;
};

// WeightsService.Watch and Fetch. Thread-safe.
class WeightSource {
 public:
  virtual ~WeightSource() = default;
  // The newest snapshot, never a backlog; null before the first. Never blocks for a newer one.
  virtual absl::StatusOr<std::shared_ptr<const WeightSnapshot>> Newest() = 0;
};

// WeightsService.Publish. Thread-safe.
class WeightSink {
 public:
  virtual ~WeightSink() = default;
  // FAILED_PRECONDITION when a learner of a higher generation has published.
  virtual absl::Status Publish(std::shared_ptr<const WeightSnapshot> snapshot) = 0;
};

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_CHANNELS_H_
