#include "actor/score_request.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace anabranch {

v1::EvaluateRequest MakeScoreRequest(const BatchHeader& header, const Trajectories& trajectories,
                                     std::span<const int32_t> positions, int64_t ask) {
  v1::EvaluateRequest request;
  request.set_request_id(
      absl::StrCat(absl::Hex(header.source.client_incarnation(), absl::kZeroPad16), "-",
                   header.first_trajectory_number));
  if (ask > 0) absl::StrAppend(request.mutable_request_id(), "/", ask);
  request.set_expected_fingerprint(header.reward_fingerprint);
  request.set_format(header.object_format);
  request.set_run_id(header.run_id);
  request.set_environment_fingerprint(header.environment_fingerprint);
  request.mutable_objects()->Reserve(static_cast<int>(positions.size()));
  for (const int32_t i : positions) {
    v1::RewardObject* object = request.add_objects();
    object->set_inline_(trajectories.objects[i]);
    object->set_object_key(trajectories.object_keys[i].ToBytes());
  }
  return request;
}

int64_t FailNonFinite(v1::EvaluateResponse& response) {
  const int n = response.statuses_size();
  if (n == 0 || response.raw_values_size() % n != 0) return 0;  // Refused by whoever decodes it.
  const int m = response.raw_values_size() / n;
  int64_t failed = 0;
  for (int i = 0; i < n; ++i) {
    if (response.statuses(i) != v1::OBJECT_STATUS_OK) continue;
    for (int j = i * m; j < (i + 1) * m; ++j) {
      const bool counts = j >= response.raw_value_valid_size() || response.raw_value_valid(j);
      if (!counts || std::isfinite(response.raw_values(j))) continue;
      response.set_statuses(i, v1::OBJECT_STATUS_FAILED);
      while (response.reasons_size() < n) response.add_reasons();
      response.set_reasons(i, absl::StrCat("raw_values[", j, "] is ", response.raw_values(j)));
      for (int k = i * m; k < (i + 1) * m; ++k) response.set_raw_values(k, 0);
      ++failed;
      break;
    }
  }
  return failed;
}

}  // namespace anabranch
