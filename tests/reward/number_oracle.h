// An oracle for tests that records what it is asked.
#ifndef ANABRANCH_TESTS_REWARD_NUMBER_ORACLE_H_
#define ANABRANCH_TESTS_REWARD_NUMBER_ORACLE_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "anabranch/v1/reward.pb.h"
#include "runtime/channels.h"

namespace anabranch {

// Two objectives of an object that is a number: the number ("size") and its square ("area"). What
// else it answers is the test's to say. Thread-safe.
class NumberOracle final : public RewardClient {
 public:
  using Spoil = std::function<void(const v1::EvaluateRequest&, v1::EvaluateResponse&)>;

  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest&) override {
    v1::DescribeResponse out;
    out.set_fingerprint(fingerprint);
    out.add_objectives()->set_name("size");
    out.add_objectives()->set_name("area");
    out.set_deterministic(deterministic);
    out.set_max_batch_objects(8);
    return out;
  }

  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override {
    {
      absl::MutexLock lock(&mu_);
      requests_.push_back(request);
    }
    if (!request.expected_fingerprint().empty() && request.expected_fingerprint() != fingerprint) {
      return absl::FailedPreconditionError(absl::StrCat("fingerprint is ", fingerprint));
    }
    v1::EvaluateResponse out;
    out.set_request_id(request.request_id());
    out.set_fingerprint(fingerprint);
    std::vector<std::string> columns(request.objectives().begin(), request.objectives().end());
    if (columns.empty()) columns = {"size", "area"};
    for (const std::string& column : columns) out.add_objectives(column);
    for (const v1::RewardObject& object : request.objects()) {
      const double size = std::stod(object.inline_());
      out.add_statuses(v1::OBJECT_STATUS_OK);
      for (const std::string& column : columns) {
        out.add_raw_values(column == "size" ? size : size * size);
      }
    }
    if (spoil) spoil(request, out);
    return fails.ok() ? absl::StatusOr<v1::EvaluateResponse>(out) : fails;
  }

  // What it was asked since the last time: objects, request by request.
  std::vector<std::vector<std::string>> TakeAsked() {
    absl::MutexLock lock(&mu_);
    std::vector<std::vector<std::string>> asked;
    for (const v1::EvaluateRequest& request : requests_) {
      asked.emplace_back();
      for (const v1::RewardObject& object : request.objects()) {
        asked.back().push_back(object.inline_());
      }
    }
    last_ids_.clear();
    for (const v1::EvaluateRequest& request : requests_) {
      last_ids_.push_back(request.request_id());
    }
    requests_.clear();
    return asked;
  }
  // The same, as it came.
  std::vector<v1::EvaluateRequest> TakeRequests() {
    absl::MutexLock lock(&mu_);
    return std::exchange(requests_, {});
  }
  // request_ids of what TakeAsked gave.
  std::vector<std::string> last_ids() {
    absl::MutexLock lock(&mu_);
    return last_ids_;
  }

  std::string fingerprint = "numbers/1";
  bool deterministic = true;
  Spoil spoil;
  absl::Status fails;  // Instead of an answer.

 private:
  absl::Mutex mu_;
  std::vector<v1::EvaluateRequest> requests_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> last_ids_ ABSL_GUARDED_BY(mu_);
};

inline v1::EvaluateRequest Request(const std::vector<std::string>& objects) {
  v1::EvaluateRequest request;
  request.set_request_id("batch-1");
  request.set_format("number");
  for (const std::string& object : objects) request.add_objects()->set_inline_(object);
  return request;
}

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_REWARD_NUMBER_ORACLE_H_
