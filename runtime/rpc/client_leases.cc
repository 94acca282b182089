#include "runtime/rpc/client_leases.h"

namespace anabranch {

void ClientLeases::Opened(uint64_t server_incarnation) {
  if (server_incarnation != incarnation_) {
    incarnation_ = server_incarnation;
    for (const uint64_t lease : taken_) ++void_[lease];
    taken_.clear();
    done_.clear();
  }
  unsaid_ = 0;
}

void ClientLeases::Take(uint64_t lease) {
  if (lease != 0) taken_.insert(lease);
}

bool ClientLeases::Acknowledge(uint64_t lease) {
  if (const auto found = void_.find(lease); found != void_.end()) {
    if (--found->second == 0) void_.erase(found);
    return false;
  }
  if (taken_.erase(lease) == 0) return false;
  done_.push_back({lease, /*released=*/false, 0});
  return true;
}

void ClientLeases::ListHeld(v1::SampleOpening& opening) const {
  for (const uint64_t lease : taken_) opening.add_held_lease_ids(lease);
  for (const Done& done : done_) opening.add_held_lease_ids(done.lease);
}

void ClientLeases::Release(uint64_t lease) {
  if (lease != 0) done_.push_back({lease, /*released=*/true, 0});
}

void ClientLeases::ReleaseTaken() {
  for (const uint64_t lease : taken_) Release(lease);
  taken_.clear();
}

v1::SampleAcknowledgement ClientLeases::Say(uint64_t granted) {
  v1::SampleAcknowledgement message;
  for (; unsaid_ < done_.size(); ++unsaid_) {
    Done& done = done_[unsaid_];
    done.granted = granted;
    if (done.released) {
      message.add_released_lease_ids(done.lease);
    } else {
      message.add_lease_ids(done.lease);
    }
  }
  return message;
}

void ClientLeases::Proven(uint64_t received) {
  while (unsaid_ > 0 && done_.front().granted < received) {
    done_.pop_front();
    --unsaid_;
  }
}

}  // namespace anabranch
