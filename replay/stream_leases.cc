#include "replay/stream_leases.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"

namespace anabranch {

uint64_t StreamLeases::Open(uint64_t resumed, std::span<const uint64_t> held, absl::Time now,
                            std::vector<uint64_t>& dropped) {
  absl::MutexLock lock(&mu_);
  absl::erase_if(streams_, [resumed, now](const auto& entry) {
    const Stream& stream = entry.second;
    return stream.broken && entry.first != resumed &&
           (stream.leases.empty() || stream.leases.back().end < now);
  });
  Stream opened;
  if (auto earlier = streams_.extract(resumed)) {
    const absl::flat_hash_set<uint64_t> kept(held.begin(), held.end());
    for (const Leased& leased : earlier.mapped().leases) {
      if (kept.contains(leased.lease)) {
        opened.leases.push_back(leased);
      } else {
        dropped.push_back(leased.lease);
      }
    }
  }
  while (++next_ == 0 || streams_.contains(next_)) continue;
  streams_.emplace(next_, std::move(opened));
  return next_;
}

bool StreamLeases::Add(uint64_t stream, uint64_t lease, absl::Time end) {
  absl::MutexLock lock(&mu_);
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return false;
  found->second.leases.push_back({lease, end});
  return true;
}

void StreamLeases::Remove(uint64_t stream, std::span<const uint64_t> leases) {
  const absl::flat_hash_set<uint64_t> gone(leases.begin(), leases.end());
  absl::MutexLock lock(&mu_);
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  std::erase_if(found->second.leases,
                [&gone](const Leased& leased) { return gone.contains(leased.lease); });
}

std::vector<uint64_t> StreamLeases::Close(uint64_t stream) {
  std::vector<uint64_t> leases;
  absl::MutexLock lock(&mu_);
  if (const auto closed = streams_.extract(stream)) {
    for (const Leased& leased : closed.mapped().leases) leases.push_back(leased.lease);
  }
  return leases;
}

void StreamLeases::Break(uint64_t stream) {
  absl::MutexLock lock(&mu_);
  if (const auto found = streams_.find(stream); found != streams_.end()) {
    found->second.broken = true;
  }
}

}  // namespace anabranch
