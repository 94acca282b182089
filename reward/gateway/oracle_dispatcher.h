// Requests in the size that an oracle wants, and no more of them at a time than it wants.
#ifndef ANABRANCH_REWARD_GATEWAY_ORACLE_DISPATCHER_H_
#define ANABRANCH_REWARD_GATEWAY_ORACLE_DISPATCHER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "anabranch/v1/reward.pb.h"
#include "reward/gateway/batch_assembler.h"
#include "runtime/channels.h"

namespace anabranch {

struct OracleDispatcherOptions {
  int64_t batch_objects = 0;  // 0: what the oracle describes as preferred, or else 256.
  absl::Duration max_wait = absl::Milliseconds(5);  // That an object is held back; at least 0.
  int64_t max_in_flight = 8;                        // Requests; at least 1.

  // INVALID_ARGUMENT names the option.
  absl::Status Validate() const;
};

// Joins small requests and splits large ones to the batch size, which is never more than what the
// oracle describes as its maximum. Joined is only what agrees in everything but request_id and
// objects; each caller gets its own objects' columns, in order. A request of the right size, and
// one that can't be joined with others, passes as it is, without a copy.
//
// A batch that fails, fails for all of its callers with the same status. But where a caller's
// request went out as several batches and only some failed, in a way that is worth a retry, the
// objects of these are RETRYABLE and the others' results count. The request_id of a joined or split
// batch is another, the same for the same content.
//
// Evaluate blocks; what its caller gave as deadline isn't known here: the oracle's own deadline
// ends every call. Batches are sent by up to max_in_flight threads of its own, started when needed.
// Thread-safe.
class OracleDispatcher final : public RewardClient {
 public:
  // The options are valid; the oracle outlives this.
  OracleDispatcher(RewardClient& oracle, const OracleDispatcherOptions& options);
  // Nobody is in a call.
  ~OracleDispatcher();

  // As the oracle, with the batch size as preferred_batch_objects and no maximum.
  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override;
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override;

  // Requests that wait for their turn end with CANCELLED, now and later; those that the oracle has
  // been asked are its own to end.
  void Cancel();

 private:
  struct Caller;
  using Batch = BatchAssembler<Caller>::Batch;

  absl::StatusOr<int> BatchSize(const v1::EvaluateRequest& request);
  // As it is, in the caller's thread.
  absl::StatusOr<v1::EvaluateResponse> Pass(const v1::EvaluateRequest& request);
  absl::StatusOr<v1::EvaluateResponse> Join(const v1::EvaluateRequest& request, int size);
  void StartWorkerIfNeeded() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Work();
  // Waits for a batch and a turn; empty when cancelled.
  Batch NextBatch();
  void Send(const Batch& batch);
  // Its callers get their parts of the answer, or of the failure (then there is no answer).
  void Finish(const Batch& batch, const std::shared_ptr<const v1::EvaluateResponse>& answer,
              const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EndTurn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  RewardClient& oracle_;
  const OracleDispatcherOptions options_;
  std::atomic<int> size_ = 0;  // 0 before the first description.
  absl::Mutex mu_;
  absl::CondVar batch_or_turn_;  // Workers wait for both.
  absl::CondVar turn_;           // Callers that pass wait for one.
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  int64_t in_flight_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t idle_ ABSL_GUARDED_BY(mu_) = 0;  // Workers that wait.
  BatchAssembler<Caller> assembler_ ABSL_GUARDED_BY(mu_);
  std::vector<std::thread> workers_ ABSL_GUARDED_BY(mu_);
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_GATEWAY_ORACLE_DISPATCHER_H_
