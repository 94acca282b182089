#include "replay/lease_book.h"

namespace anabranch {

uint64_t LeaseBook::Add(std::vector<LeasePart> parts, absl::Time expiry) {
  do {
    ++last_id_;
  } while (last_id_ == 0);
  leases_.emplace(last_id_, Lease{expiry, std::move(parts)});
  expiries_.emplace(expiry, last_id_);
  return last_id_;
}

std::optional<std::vector<LeasePart>> LeaseBook::End(uint64_t id, int64_t LeaseCounts::* count) {
  const auto found = leases_.find(id);
  if (found == leases_.end()) {
    ++counts_.unknown;
    return std::nullopt;
  }
  std::vector<LeasePart> parts = std::move(found->second.parts);
  expiries_.erase({found->second.expiry, id});
  leases_.erase(found);
  ++(counts_.*count);
  return parts;
}

std::optional<std::vector<LeasePart>> LeaseBook::Acknowledge(uint64_t id) {
  return End(id, &LeaseCounts::acknowledged);
}

std::optional<std::vector<LeasePart>> LeaseBook::Release(uint64_t id) {
  return End(id, &LeaseCounts::released);
}

std::optional<std::vector<LeasePart>> LeaseBook::Expire(absl::Time now) {
  if (next_expiry() > now || expiries_.empty()) return std::nullopt;
  return End(expiries_.begin()->second, &LeaseCounts::expired);
}

LeaseCounts LeaseBook::counts() const {
  LeaseCounts counts = counts_;
  counts.outstanding = static_cast<int64_t>(leases_.size());
  return counts;
}

}  // namespace anabranch
