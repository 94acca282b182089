// The leases of a table set.
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "replay/table_set.h"

namespace anabranch {

void TableSet::Acknowledge(std::span<const uint64_t> leases) {
  Garbage garbage;
  std::vector<std::vector<LeasePart>> ended;  // Freed without the lock, as garbage is.
  absl::MutexLock lock(&mu_);
  for (const uint64_t id : leases) {
    auto lease = leases_.Acknowledge(id);
    if (!lease.has_value()) continue;
    for (const LeasePart& part : *lease) tables_[part.table]->Acknowledge(part.draws, garbage);
    ended.push_back(*std::move(lease));
  }
}

void TableSet::Release(std::span<const LeasePart> lease) {
  for (const LeasePart& part : lease) tables_[part.table]->Release(part.draws);
}

void TableSet::Release(std::span<const uint64_t> leases) {
  Garbage garbage;
  std::vector<std::vector<LeasePart>> ended;
  absl::MutexLock lock(&mu_);
  for (const uint64_t id : leases) {
    auto lease = leases_.Release(id);
    if (!lease.has_value()) continue;
    Release(*lease);
    ended.push_back(*std::move(lease));
  }
  ServeWaiting(garbage);
}

absl::Time TableSet::ReturnExpired(absl::Time now) {
  Garbage garbage;
  std::vector<std::vector<LeasePart>> ended;
  absl::MutexLock lock(&mu_);
  while (auto lease = leases_.Expire(now)) {
    Release(*lease);
    ended.push_back(*std::move(lease));
  }
  if (!ended.empty()) ServeWaiting(garbage);
  return leases_.next_expiry();
}

absl::Status TableSet::AwaitExpiry(const CancelToken& token) {
  absl::MutexLock lock(&mu_);
  while (true) {
    if (absl::Status status = CheckOpen(&token); !status.ok()) return status;
    const absl::Time next = leases_.next_expiry();
    if (next <= absl::Now()) return absl::OkStatus();
    expiry_changed_.WaitWithDeadline(&mu_, next);
  }
}

absl::Status TableSet::AwaitNoLeases(absl::Time deadline) const {
  absl::MutexLock lock(&mu_);
  const auto none = [this] {
    mu_.AssertHeld();
    return leases_.empty();
  };
  if (mu_.AwaitWithDeadline(absl::Condition(&none), deadline)) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat(leases_.counts().outstanding, " leases are not acknowledged yet"));
}

LeaseCounts TableSet::lease_counts() const {
  absl::MutexLock lock(&mu_);
  return leases_.counts();
}

}  // namespace anabranch
