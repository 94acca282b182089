#include "learner/priority_updater.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace anabranch {

PriorityUpdater::PriorityUpdater(PriorityUpdaterOptions options, ReplayClient& replay)
    : options_(std::move(options)), replay_(replay) {
  if (!options_.synchronous) thread_ = std::thread([this] { Work(); });
}

PriorityUpdater::~PriorityUpdater() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void PriorityUpdater::Add(const std::string& table, const std::map<uint64_t, double>& priorities) {
  if (priorities.empty()) return;
  if (options_.synchronous) {
    Pending now;
    now[table].insert(priorities.begin(), priorities.end());
    Send(now);
    return;
  }
  absl::MutexLock lock(&mu_);
  auto& items = pending_[table];
  for (const auto& [key, priority] : priorities) {
    if (const auto found = items.find(key); found != items.end()) {
      found->second = priority;
    } else if (waiting_ >= options_.max_pending) {
      ++dropped_;
    } else {
      items.emplace(key, priority);
      ++waiting_;
    }
  }
}

void PriorityUpdater::Work() {
  while (true) {
    Pending taken;
    {
      absl::MutexLock lock(&mu_);
      mu_.Await(absl::Condition(this, &PriorityUpdater::HasWork));
      if (stopping_) return;
      taken.swap(pending_);
      waiting_ = 0;
      sending_ = true;
    }
    Send(taken);
    absl::MutexLock lock(&mu_);
    sending_ = false;
  }
}

void PriorityUpdater::Send(const Pending& pending) {
  for (const auto& [table, items] : pending) {
    v1::UpdatePrioritiesRequest request;
    *request.mutable_handshake() = options_.handshake;
    request.set_table(table);
    // In the order of keys, so that the same losses make the same request.
    const std::map<uint64_t, double> sorted(items.begin(), items.end());
    for (const auto& [key, priority] : sorted) {
      request.add_item_keys(key);
      request.add_priorities(priority);
      if (request.item_keys_size() < options_.max_per_request) continue;
      SendRequest(request);
      request.clear_item_keys();
      request.clear_priorities();
    }
    if (request.item_keys_size() > 0) SendRequest(request);
  }
}

void PriorityUpdater::SendRequest(const v1::UpdatePrioritiesRequest& request) {
  auto response = replay_.UpdatePriorities(request);
  if (!response.ok() && options_.warn) {
    options_.warn(absl::StrCat("warning: ", request.item_keys_size(), " priorities of table '",
                               request.table(),
                               "' were not updated: ", response.status().message()));
  }
  absl::MutexLock lock(&mu_);
  if (response.ok()) {
    updated_ += static_cast<int64_t>(response->updated());
  } else {
    dropped_ += request.item_keys_size();
  }
}

int64_t PriorityUpdater::updated() const {
  absl::MutexLock lock(&mu_);
  return updated_;
}

int64_t PriorityUpdater::dropped() const {
  absl::MutexLock lock(&mu_);
  return dropped_;
}

void PriorityUpdater::Flush() {
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(this, &PriorityUpdater::IsIdle));
}

}  // namespace anabranch
