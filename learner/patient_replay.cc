#include "learner/patient_replay.h"

namespace anabranch {
namespace {

template <typename F>
auto Ask(const PatientReplayOptions& options, F ask) -> decltype(ask()) {
  Backoff backoff(options.backoff, options.seed);
  absl::Duration waited;
  while (true) {
    auto answer = ask();
    if (answer.ok() || !IsRetryable(answer.status()) || waited >= options.patience) return answer;
    const absl::Duration delay = backoff.Next();
    if (options.wait(delay)) return answer;
    waited += delay;
  }
}

}  // namespace

absl::StatusOr<v1::QueryObjectsResponse> PatientReplay::QueryObjects(
    const v1::QueryObjectsRequest& request) {
  return Ask(options_, [&] { return replay_.QueryObjects(request); });
}

absl::StatusOr<v1::GetInfoResponse> PatientReplay::GetInfo(const v1::GetInfoRequest& request) {
  return Ask(options_, [&] { return replay_.GetInfo(request); });
}

}  // namespace anabranch
