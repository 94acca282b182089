// An oracle that remembers: answers what it was asked before, and passes on only the rest.
#ifndef ANABRANCH_REWARD_RESULT_CACHE_H_
#define ANABRANCH_REWARD_RESULT_CACHE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "anabranch/v1/reward.pb.h"
#include "reward/result_store.h"
#include "runtime/channels.h"

namespace anabranch {

// Kept are answers OK and INVALID, object by object; FAILED, RETRYABLE, PENDING and all others are
// passed through. A key is the oracle's fingerprint, environment, format, set of objectives, the
// context's key and the object's bytes (the caller's object_key is not trusted for them; of a
// referenced object, its sha256). Not kept: what has a context without a key, and a reference
// without a hash. A poll by ticket is always passed on.
//
// Passed on whole: requests to an oracle that isn't deterministic, with replicates > 1, for another
// fingerprint than the oracle's, or faulty as a whole, which the oracle then says. bypass_cache
// reads nothing and updates. Where only some objects are passed on, their request_id is another,
// the same for the same objects. Answers name each object's origin in from_cache, and keep the
// order of objects and of objectives. Thread-safe; no lock is held while the oracle works.
class ResultCache final : public RewardClient {
 public:
  // The oracle outlives the cache. INVALID_ARGUMENT names the option.
  static absl::StatusOr<std::unique_ptr<ResultCache>> Create(RewardClient& oracle,
                                                             const ResultStoreOptions& options);

  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override;
  // As the oracle; UNAVAILABLE also for an answer of the oracle's whose columns don't fit the
  // question.
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override;

  ResultStore::Totals totals() const { return store_.totals(); }

 private:
  // What Describe said last.
  struct Known {
    std::string fingerprint;
    bool deterministic = false;
    uint32_t max_batch_objects = 0;
    std::vector<std::string> objectives;
  };
  struct Question;

  ResultCache(RewardClient& oracle, const ResultStoreOptions& options)
      : oracle_(oracle), store_(options) {}

  absl::StatusOr<std::shared_ptr<const Known>> AskKnown(const v1::EvaluateRequest& request);
  void Remember(const v1::DescribeResponse& description);
  void Forget();
  // Passes on whole, and notices when the oracle has become another.
  absl::StatusOr<v1::EvaluateResponse> PassOn(const v1::EvaluateRequest& request,
                                              const Known& known);
  // Looks up every object, or none where the request says so.
  void Look(Question& question);
  // Takes the oracle's answer about the objects that weren't found, and keeps what may be kept.
  absl::Status Learn(const v1::EvaluateResponse& answer, Question& question);

  RewardClient& oracle_;
  ResultStore store_;
  absl::Mutex mu_;
  std::shared_ptr<const Known> known_ ABSL_GUARDED_BY(mu_);
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_RESULT_CACHE_H_
