// An oracle that takes its time: for tests of what actors do meanwhile.
#ifndef ANABRANCH_TESTS_ACTOR_LAB_ORACLE_H_
#define ANABRANCH_TESTS_ACTOR_LAB_ORACLE_H_

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "gflownet/environment/key.h"
#include "runtime/channels.h"

namespace anabranch {

// Some objects are PENDING when they are first asked about, and so many times more by ticket; then
// they get their true values. A lab: it remembers nothing of its callers. Thread-safe.
class LabOracle final : public RewardClient {
 public:
  LabOracle(RewardClient& honest, int polls) : honest_(honest), polls_(polls) {}

  static bool IsSlow(const std::string& object) { return Key128::Of(object).low % 3 == 0; }

  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override {
    return honest_.Describe(request);
  }

  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override {
    {
      absl::MutexLock lock(&mu_);
      const bool is_new = !absl::StartsWith(request.request_id(), "pending-");
      const int call = is_new ? calls_++ : 0;
      const auto open = [this, is_new, call]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
        return cancelled_ || !is_new || call < open_;
      };
      mu_.Await(absl::Condition(&open));
      if (cancelled_) return absl::CancelledError("the caller has gone");
    }
    auto answer = honest_.Evaluate(request);
    if (!answer.ok()) return answer;
    for (int i = 0; i < request.objects_size(); ++i) {
      const v1::RewardObject& object = request.objects(i);
      int asked = 0;  // The ticket is "lab-" and how often it was asked so far.
      if (!object.ticket().empty()) asked = std::stoi(object.ticket().substr(4)) + 1;
      std::string ticket;
      if (IsSlow(object.inline_()) && asked <= polls()) {
        answer->set_statuses(i, v1::OBJECT_STATUS_PENDING);
        answer->set_raw_values(i, 1e9);  // To be ignored.
        ticket = absl::StrCat("lab-", asked);
      }
      answer->add_retry_after_millis(ticket.empty() ? 0 : 1);
      answer->add_tickets(std::move(ticket));
    }
    return answer;
  }

  // Lets so many new questions through; the others wait. Polls always pass.
  void Open(int calls) {
    absl::MutexLock lock(&mu_);
    open_ = calls;
  }
  // Whoever waits, and who comes later, gets CANCELLED.
  void Cancel() {
    absl::MutexLock lock(&mu_);
    cancelled_ = true;
  }
  // From now on.
  void SetPolls(int polls) {
    absl::MutexLock lock(&mu_);
    polls_ = polls;
  }

 private:
  int polls() {
    absl::MutexLock lock(&mu_);
    return polls_;
  }

  RewardClient& honest_;
  absl::Mutex mu_;
  int polls_ ABSL_GUARDED_BY(mu_);
  int calls_ ABSL_GUARDED_BY(mu_) = 0;
  int open_ ABSL_GUARDED_BY(mu_) = 1 << 30;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_ACTOR_LAB_ORACLE_H_
