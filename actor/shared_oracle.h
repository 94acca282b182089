// The oracle as all threads of an actor know it now.
#ifndef ANABRANCH_ACTOR_SHARED_ORACLE_H_
#define ANABRANCH_ACTOR_SHARED_ORACLE_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "actor/oracle.h"
#include "runtime/log.h"

namespace anabranch {

// Thread-safe. The log outlives it.
class SharedOracle {
 public:
  using Describe = std::function<absl::StatusOr<Oracle>()>;

  // `describe` asks the oracle what it is; called from any thread, from several at once.
  SharedOracle(Oracle first, Describe describe, bool allow_change, Log& log);

  std::shared_ptr<const Oracle> current() const;

  // After `why`, the answer to a question under the fingerprint `old`. OK once current() has
  // another: ask anew under that. Returns `why`, and what to do, where a change isn't allowed;
  // UNAVAILABLE where the oracle describes itself as before; otherwise as DescribeOracle. Blocks
  // for the oracle. Logs both fingerprints, once for each change.
  absl::Status Renew(const std::string& old, const absl::Status& why);

 private:
  const Describe describe_;
  const bool allow_change_;
  Log& log_;
  mutable absl::Mutex mu_;
  std::shared_ptr<const Oracle> current_ ABSL_GUARDED_BY(mu_);
};

// Whether it says that the oracle has become another one.
bool IsFingerprintChange(const absl::Status& status);

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_SHARED_ORACLE_H_
