// Which oracle answered this run first, and whether another may.
#ifndef ANABRANCH_REWARD_CACHE_RESULT_FINGERPRINT_H_
#define ANABRANCH_REWARD_CACHE_RESULT_FINGERPRINT_H_

#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "runtime/key_value_store.h"
#include "runtime/log.h"

namespace anabranch {

// Thread-safe. Store (may be null) and log outlive it.
class ResultFingerprint {
 public:
  ResultFingerprint(std::string oracle, bool allows_change, KeyValueStore* store, Log& log)
      : oracle_(std::move(oracle)), allows_change_(allows_change), store_(store), log_(log) {}

  // What an earlier process kept. What the store says.
  absl::Status Load();
  // The first one is kept. Another one is adopted, which is logged, or, where no change is allowed,
  // FAILED_PRECONDITION with reason FINGERPRINT_CHANGED, naming both and the configuration's key.
  // UNAVAILABLE for an empty one. Cheap for the one that is known. May block for the disk.
  absl::Status Check(absl::string_view fingerprint);

 private:
  const std::string oracle_;
  const bool allows_change_;
  KeyValueStore* const store_;
  Log& log_;
  absl::Mutex mu_;
  std::string known_ ABSL_GUARDED_BY(mu_);  // Empty before the first.
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_CACHE_RESULT_FINGERPRINT_H_
