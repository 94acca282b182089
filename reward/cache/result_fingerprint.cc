#include "reward/cache/result_fingerprint.h"

#include "absl/strings/str_cat.h"
#include "reward/cache/result_disk.h"
#include "runtime/error_reason.h"

namespace anabranch {

absl::Status ResultFingerprint::Load() {
  if (store_ == nullptr) return absl::OkStatus();
  std::string kept;
  const auto found = store_->Get(DiskPrefix("fingerprint", oracle_), kept);
  if (!found.ok()) return found.status();
  absl::MutexLock lock(&mu_);
  if (*found) known_ = kept;
  return absl::OkStatus();
}

absl::Status ResultFingerprint::Check(absl::string_view fingerprint) {
  if (fingerprint.empty()) {
    return absl::UnavailableError(absl::StrCat(
        "oracle ", oracle_, ": fingerprint: is empty; it must name what computes the values"));
  }
  std::string before;
  {
    absl::MutexLock lock(&mu_);
    if (known_ == fingerprint) return absl::OkStatus();
    before = known_;
    if (known_.empty() || allows_change_) known_ = std::string(fingerprint);
  }
  if (!before.empty() && !allows_change_) {
    return WithReason(
        absl::FailedPreconditionError(absl::StrCat(
            "oracle ", oracle_, " has become another: its fingerprint is \"", fingerprint,
            "\", and was \"", before, "\" when this run began; bring the first one back, start a ",
            "new run, or set reward.allow_fingerprint_change: true to go on with results of both")),
        kReasonFingerprintChanged, {{"oracle", oracle_}});
  }
  if (!before.empty()) {
    log_.Warning("an oracle has become another; the run goes on with it, as allowed",
                 {{"oracle", oracle_}, {"was", before}, {"is", std::string(fingerprint)}});
  }
  if (store_ == nullptr) return absl::OkStatus();
  KeyValueBatch batch;
  batch.Put(DiskPrefix("fingerprint", oracle_), std::string(fingerprint));
  if (absl::Status status = store_->Write(batch, true); !status.ok()) {
    log_.Warning("an oracle's fingerprint can't be kept: after a restart another one won't be seen",
                 {{"oracle", oracle_}, {"error", status.ToString()}});
  }
  return absl::OkStatus();
}

}  // namespace anabranch
