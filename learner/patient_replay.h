// A replay that may be away for a while.
#ifndef ANABRANCH_LEARNER_PATIENT_REPLAY_H_
#define ANABRANCH_LEARNER_PATIENT_REPLAY_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "runtime/channels.h"
#include "runtime/retry.h"

namespace anabranch {

struct PatientReplayOptions {
  absl::Duration patience = absl::Minutes(1);  // Of one question, waits added up.
  BackoffOptions backoff;
  uint64_t seed = 0;  // Of its jitter.
  // Blocks for the time given; true if there is no point in asking again.
  std::function<bool(absl::Duration)> wait;
};

// Asks QueryObjects and GetInfo again while that is worth it (IsRetryable) and patience lasts, so
// that an evaluation outlives a restart of replay; the last error is returned. All else goes
// through as it is. Thread-safe.
class PatientReplay final : public ReplayClient {
 public:
  // The client outlives it.
  PatientReplay(PatientReplayOptions options, ReplayClient& replay)
      : options_(std::move(options)), replay_(replay) {}

  absl::StatusOr<std::unique_ptr<InsertStream>> OpenInsert(
      const v1::InsertOpening& opening) override {
    return replay_.OpenInsert(opening);
  }
  absl::StatusOr<std::unique_ptr<SampleStream>> OpenSample(
      const v1::SampleOpening& opening) override {
    return replay_.OpenSample(opening);
  }
  absl::StatusOr<v1::QueryObjectsResponse> QueryObjects(
      const v1::QueryObjectsRequest& request) override;
  absl::StatusOr<v1::GetInfoResponse> GetInfo(const v1::GetInfoRequest& request) override;
  absl::StatusOr<v1::UpdatePrioritiesResponse> UpdatePriorities(
      const v1::UpdatePrioritiesRequest& request) override {
    return replay_.UpdatePriorities(request);
  }

 private:
  const PatientReplayOptions options_;
  ReplayClient& replay_;
};

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_PATIENT_REPLAY_H_
