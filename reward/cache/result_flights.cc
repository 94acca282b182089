#include "reward/cache/result_flights.h"

namespace anabranch {

uint64_t ResultFlights::seen() const {
  absl::MutexLock lock(&mu_);
  return landed_;
}

ResultFlights::Boarding ResultFlights::Board(std::span<const int> positions,
                                             std::span<const ResultKey> keys, uint64_t seen) {
  Boarding boarding;
  boarding.flight = std::make_shared<ResultFlight>();
  boarding.leads.reserve(positions.size());
  absl::MutexLock lock(&mu_);
  boarding.others_landed = landed_ != seen;
  for (const int position : positions) {
    if (keys[position].empty()) continue;
    const auto row = static_cast<int>(boarding.leads.size());
    const auto [seat, leads] = seats_.try_emplace(keys[position], Seat{boarding.flight.get(), row});
    if (leads) {
      boarding.leads.push_back(position);
    } else {
      seat->second.flight->awaited = true;
      boarding.joins.push_back(
          {position, seat->second.flight->shared_from_this(), seat->second.row});
    }
  }
  return boarding;
}

bool ResultFlights::TakeOff(const Boarding& boarding, std::span<const ResultKey> keys) {
  absl::MutexLock lock(&mu_);
  for (const int position : boarding.leads) seats_.erase(keys[position]);
  if (!boarding.leads.empty()) ++landed_;
  return boarding.flight != nullptr && boarding.flight->awaited;
}

}  // namespace anabranch
