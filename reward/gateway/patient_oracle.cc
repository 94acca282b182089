#include "reward/gateway/patient_oracle.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "reward/gateway/oracle_status.h"
#include "runtime/error_reason.h"

namespace anabranch {

absl::Status PatientOracleOptions::Validate() const {
  if (max_tries < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_tries is ", max_tries, ", must be at least 1"));
  }
  return backoff.Validate();
}

bool PatientOracle::Pause(absl::Duration time) {
  absl::MutexLock lock(&mu_);
  return !mu_.AwaitWithTimeout(absl::Condition(&cancelled_), time);
}

absl::Status PatientOracle::Try(absl::FunctionRef<absl::Status()> again) {
  std::optional<Backoff> backoff;
  for (int64_t tries = 1;; ++tries) {
    const absl::Status status = again();
    if (status.ok()) return status;
    const std::string who = absl::StrCat("oracle \"", options_.oracle, "\": ");
    if (tries >= options_.max_tries || !IsRetryable(status) ||
        ReasonOf(status) == kReasonCircuitOpen) {
      return Explained(status, who, tries > 1 ? absl::StrCat(" (after ", tries, " tries)") : "");
    }
    if (options_.on_retry) options_.on_retry(status);
    if (!backoff.has_value()) {
      absl::MutexLock lock(&mu_);
      backoff.emplace(options_.backoff, options_.seed + requests_++);
    }
    if (!Pause(backoff->Next())) {
      return absl::CancelledError(
          absl::StrCat(who, "the reward service is ending; the last try said: ", status.message()));
    }
  }
}

absl::StatusOr<v1::DescribeResponse> PatientOracle::Describe(const v1::DescribeRequest& request) {
  absl::StatusOr<v1::DescribeResponse> description;
  const absl::Status status = Try([&] {
    description = oracle_.Describe(request);
    return description.status();
  });
  if (!status.ok()) return status;
  return description;
}

absl::StatusOr<v1::EvaluateResponse> PatientOracle::Evaluate(const v1::EvaluateRequest& request) {
  absl::StatusOr<v1::EvaluateResponse> answer;
  const absl::Status status = Try([&] {
    answer = oracle_.Evaluate(request);
    return answer.status();
  });
  if (!status.ok()) return status;
  return answer;
}

void PatientOracle::Cancel() {
  absl::MutexLock lock(&mu_);
  cancelled_ = true;
}

}  // namespace anabranch
