// An oracle that is asked again when asking again may help.
#ifndef ANABRANCH_REWARD_GATEWAY_PATIENT_ORACLE_H_
#define ANABRANCH_REWARD_GATEWAY_PATIENT_ORACLE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "anabranch/v1/reward.pb.h"
#include "runtime/channels.h"
#include "runtime/retry.h"

namespace anabranch {

struct PatientOracleOptions {
  std::string oracle;     // Its name, for messages.
  int64_t max_tries = 4;  // At least 1.
  BackoffOptions backoff;
  uint64_t seed = 0;  // Of the jitter.
  // Told of each failure that is tried again; may be empty. From any thread.
  std::function<void(const absl::Status&)> on_retry;

  absl::Status Validate() const;
};

// Tries a request again, with backoff and under the same request_id, while IsRetryable says so;
// never after a permanent failure, nor while every circuit is open (reason CIRCUIT_OPEN: nobody was
// asked, and who waits longer is the caller). A failure names the oracle and, if tried more than
// once, the tries. How long one try may take is the oracle's own deadline; the caller's isn't known
// here, so a caller that has gone is still worked for until max_tries. Thread-safe.
class PatientOracle final : public RewardClient {
 public:
  // The options are valid; the oracle outlives this.
  PatientOracle(RewardClient& oracle, PatientOracleOptions options)
      : oracle_(oracle), options_(std::move(options)) {}

  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override;
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override;

  // Ends waits before a next try, now and later, with CANCELLED; a try under way goes on.
  void Cancel();

 private:
  // `again` runs the next try.
  absl::Status Try(absl::FunctionRef<absl::Status()> again);
  // False when cancelled.
  bool Pause(absl::Duration time);

  RewardClient& oracle_;
  const PatientOracleOptions options_;
  absl::Mutex mu_;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t requests_ ABSL_GUARDED_BY(mu_) = 0;  // Each has its own jitter.
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_GATEWAY_PATIENT_ORACLE_H_
