#include "actor/shared_oracle.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/error_reason.h"

namespace anabranch {

bool IsFingerprintChange(const absl::Status& status) {
  return absl::IsFailedPrecondition(status) && ReasonOf(status) == kReasonFingerprintChanged;
}

SharedOracle::SharedOracle(Oracle first, Describe describe, bool allow_change, Log& log)
    : describe_(std::move(describe)),
      allow_change_(allow_change),
      log_(log),
      current_(std::make_shared<const Oracle>(std::move(first))) {}

std::shared_ptr<const Oracle> SharedOracle::current() const {
  absl::MutexLock lock(&mu_);
  return current_;
}

absl::Status SharedOracle::Renew(const std::string& old, const absl::Status& why) {
  if (!allow_change_) {
    return WithReason(
        absl::FailedPreconditionError(absl::StrCat(
            "the oracle's values may have changed in the middle of the run: ", why.message(),
            "; bring the old oracle back, begin a new run, or set "
            "reward.allow_fingerprint_change to let values of both stand side by side")),
        kReasonFingerprintChanged);
  }
  if (current()->header.reward_fingerprint != old) return absl::OkStatus();  // Others have.
  auto now = describe_();
  if (!now.ok()) return now.status();
  const std::string fingerprint = now->header.reward_fingerprint;
  if (fingerprint == old) {
    return absl::UnavailableError(absl::StrCat("the oracle describes itself as '", old,
                                               "', but answers otherwise: ", why.message()));
  }
  {
    absl::MutexLock lock(&mu_);
    if (current_->header.reward_fingerprint != old) return absl::OkStatus();
    current_ = std::make_shared<const Oracle>(*std::move(now));
  }
  log_.Warning("the oracle has become another one; going on with its values, as allowed",
               {{"old_fingerprint", old}, {"new_fingerprint", fingerprint}});
  return absl::OkStatus();
}

}  // namespace anabranch
