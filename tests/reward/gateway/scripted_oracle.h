// An oracle for tests: what it answers is the test's to say.
#ifndef ANABRANCH_TESTS_REWARD_GATEWAY_SCRIPTED_ORACLE_H_
#define ANABRANCH_TESTS_REWARD_GATEWAY_SCRIPTED_ORACLE_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/synchronization/mutex.h"
#include "anabranch/v1/reward.pb.h"
#include "runtime/channels.h"

namespace anabranch {

// Objects are numbers; each objective is the number times the objective's place, counted from 1:
// "size" 1, "area" 2, .... Set the fields before the first call. Thread-safe.
class ScriptedOracle final : public RewardClient {
 public:
  using Spoil = std::function<absl::Status(const v1::EvaluateRequest&, v1::EvaluateResponse&)>;

  ScriptedOracle() = default;
  explicit ScriptedOracle(std::vector<std::string> names) : objectives(std::move(names)) {}

  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest&) override {
    if (on_describe) {
      if (absl::Status status = on_describe(); !status.ok()) return status;
    }
    v1::DescribeResponse out;
    out.set_name("scripted");
    out.set_fingerprint(fingerprint);
    for (const std::string& name : objectives) out.add_objectives()->set_name(name);
    for (const std::string& format : formats) out.add_accepted_formats(format);
    out.set_deterministic(deterministic);
    out.set_max_batch_objects(max_batch);
    out.set_preferred_batch_objects(preferred_batch);
    return out;
  }

  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override {
    {
      absl::MutexLock lock(&mu_);
      requests_.push_back(request);
    }
    v1::EvaluateResponse out;
    out.set_request_id(request.request_id());
    out.set_fingerprint(fingerprint);
    std::vector<std::string> columns(request.objectives().begin(), request.objectives().end());
    if (columns.empty()) columns = objectives;
    for (const std::string& column : columns) out.add_objectives(column);
    for (const v1::RewardObject& object : request.objects()) {
      double value = 0;
      const bool number = absl::SimpleAtod(object.inline_(), &value);
      out.add_statuses(number ? v1::OBJECT_STATUS_OK : v1::OBJECT_STATUS_INVALID);
      for (const std::string& column : columns) out.add_raw_values(value * PlaceOf(column));
    }
    if (spoil) {
      if (absl::Status status = spoil(request, out); !status.ok()) return status;
    }
    return out;
  }

  // What it was asked so far, in the order of the calls.
  std::vector<v1::EvaluateRequest> requests() {
    absl::MutexLock lock(&mu_);
    return requests_;
  }

  std::string fingerprint = "numbers/1";
  std::vector<std::string> objectives = {"size", "area"};
  std::vector<std::string> formats = {"number"};
  bool deterministic = true;
  uint32_t max_batch = 0;
  uint32_t preferred_batch = 0;
  Spoil spoil;
  std::function<absl::Status()> on_describe;

 private:
  double PlaceOf(const std::string& name) const {
    double place = 1;
    for (const std::string& one : objectives) {
      if (one == name) return place;
      ++place;
    }
    return 0;
  }

  absl::Mutex mu_;
  std::vector<v1::EvaluateRequest> requests_ ABSL_GUARDED_BY(mu_);
};

inline v1::EvaluateRequest NumberRequest(const std::string& id,
                                         const std::vector<std::string>& objects,
                                         const std::vector<std::string>& objectives = {}) {
  v1::EvaluateRequest request;
  request.set_request_id(id);
  request.set_format("number");
  for (const std::string& object : objects) request.add_objects()->set_inline_(object);
  for (const std::string& objective : objectives) request.add_objectives(objective);
  return request;
}

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_REWARD_GATEWAY_SCRIPTED_ORACLE_H_
